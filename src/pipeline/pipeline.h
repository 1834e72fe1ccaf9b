/*
 * pipeline.h
 *	  What is sent: stages behind the mandatory tenant $match.
 *
 * MtfPipeline is opaque and mtf_pipeline_from() is its only constructor; it emits the tenant's
 * $match first.  A $lookup takes a child pipeline built the same way, never a collection's name.
 */
#ifndef MTF_PIPELINE_H
#define MTF_PIPELINE_H

#include "base/compat.h"
#include "base/driver_compat.h"
#include "pipeline/range.h"
#include "plan/plan_private.h"
#include "tenant/scope.h"

typedef struct MtfPipeline MtfPipeline;

/* A value of the plan's value list (ForeignScan.fdw_exprs), evaluated; in the same order. */
typedef struct MtfValue
{
	Oid typid;
	bool isnull;
	bool is_known; /* false in EXPLAIN for parameters: shown as "$1" */
	Datum datum;
} MtfValue;

/* The only constructor: a pipeline on the scope's collection, tenant $match already in it. */
extern MtfPipeline *mtf_pipeline_from(const MtfScope *scope);

/*
 * The whole pipeline of a planned scan.  `scopes` has one scope per base relation of the plan, in
 * its order.  Lives in the current memory context.
 */
extern MtfPipeline *mtf_pipeline_for_scan(const MtfScanPlan *plan, MtfScope **scopes,
										  const MtfValue *values, int nvalues);

/* The same for one range of the driving collection's documents. */
extern MtfPipeline *mtf_pipeline_for_range(const MtfScanPlan *plan, MtfScope **scopes,
										   const MtfValue *values, int nvalues,
										   const MtfRange *range);

/* True when the values prove that no row can come (= NULL, empty list): nothing need be sent. */
extern bool mtf_pipeline_is_empty(const MtfPipeline *pipeline);

/* The documents that are asked for at most; 0: no limit. */
extern int64 mtf_pipeline_limit(const MtfPipeline *pipeline);

/*
 * Recheck a document that came back, before anything of it is decoded: mtf_scope_recheck() of the
 * document, or of all documents that went into it.  Raises XX001.
 */
extern void mtf_pipeline_recheck(const MtfPipeline *pipeline, const uint8 *doc, uint32 len);

extern const MtfScope *mtf_pipeline_scope(const MtfPipeline *pipeline);

/* For the remote room: the array of stages, owned by the pipeline. */
extern const bson_t *mtf_pipeline_stages(const MtfPipeline *pipeline);

/* For EXPLAIN: the stages as relaxed Extended JSON, one line, palloc'd. */
extern char *mtf_pipeline_describe(const MtfPipeline *pipeline);

#endif /* MTF_PIPELINE_H */
