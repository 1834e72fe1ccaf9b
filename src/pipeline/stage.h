/*
 * stage.h
 *	  Private to the pipeline room: a pipeline while its stages are written.
 *
 * Who writes stages has a pipeline already, and mtf_pipeline_begin() put the tenant's predicate into
 * it.
 */
#ifndef MTF_PIPELINE_STAGE_H
#define MTF_PIPELINE_STAGE_H

#include "base/compat.h"
#include "pipeline/expr.h"
#include "pipeline/pipeline.h"
#include "pipeline/writer.h"

struct MtfPipeline
{
	const MtfScope *scope;
	StringInfoData stages; /* an array of documents, being written until sealed */
	MtfMark array;
	int nstages;
	bool empty;
	int64 limit; /* 0: none */
	bool grouped;
	MtfScope **scopes; /* of all relations of a join; NULL: `scope` alone */
	int nscopes;
	Bitmapset *optional; /* relations whose documents may be missing: of LEFT JOIN */
	bson_t view;         /* of the finished stages */
};

/*
 * pipeline.c: a pipeline that begins with the scope's predicate and the terms'.  `index` (of String) are the
 * paths of an index for them, or NIL: none is known.
 */
extern MtfPipeline *mtf_pipeline_begin(const MtfScope *scope, const MtfExprContext *context,
									   const List *terms, const List *index, bool exact);

/* pipeline.c: no stage follows; raises 54000 when there is too much for one command. */
extern MtfPipeline *mtf_pipeline_seal(MtfPipeline *pipeline);

/* The key of the next stage in the array of stages. */
extern const char *mtf_stage_key(MtfPipeline *pipeline);

/* {$op: {…}} being written: what is written to pipeline->stages meanwhile stands in the inner document. */
typedef MtfNest MtfStage;

extern MtfStage mtf_stage_begin(MtfPipeline *pipeline, const char *op);
extern void mtf_stage_end(MtfPipeline *pipeline, MtfStage stage);

/* {$op: n} and {$op: word}, whole stages */
extern void mtf_stage_write_int(MtfPipeline *pipeline, const char *op, int n);
extern void mtf_stage_write_word(MtfPipeline *pipeline, const char *op, const char *word);

/* {$project: …} of the paths that are wanted and of the tenant's. */
extern void mtf_stage_write_projection(MtfPipeline *pipeline, const List *wanted);

/* join_stages.c: the plan's joins; from then on each relation's document stands in a field. */
extern void mtf_stage_write_joins(MtfPipeline *pipeline, MtfExprContext *context,
								  const MtfScanPlan *plan, MtfScope **scopes);

/* pipeline.c: the plan's $sort; documents in which the field `first` is true come first. */
extern void mtf_stage_write_sort(MtfPipeline *pipeline, const MtfExprContext *context,
								 const MtfScanPlan *plan, const char *first);

/* The same once more, of documents that have the computed keys already. */
extern void mtf_stage_write_sort_again(MtfPipeline *pipeline, const MtfExprContext *context,
									   const MtfScanPlan *plan);

/* group_stages.c: of the documents, sorted, the first of each group (MtfScanPlan.first_of), sorted again. */
extern void mtf_stage_write_firsts(MtfPipeline *pipeline, const MtfExprContext *context,
								   const MtfScanPlan *plan);

/* pipeline.c: the plan's $skip and $limit. */
extern void mtf_stage_write_limit(MtfPipeline *pipeline, const MtfExprContext *context,
								  const MtfScanPlan *plan);

/* group_stages.c: the plan's groups and accumulators. */
extern void mtf_stage_write_groups(MtfPipeline *pipeline, MtfExprContext *context,
								   const MtfScanPlan *plan);

/* group_stages.c: where a group's least or greatest tenant of a relation stands; palloc'ed. */
extern char *mtf_group_tenant_name(int rel, bool highest);

#endif /* MTF_PIPELINE_STAGE_H */
