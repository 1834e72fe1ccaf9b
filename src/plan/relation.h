/*
 * relation.h
 *	  What planning knows about a base foreign table, shared by plan_scan, plan_upper and plan_join.
 */
#ifndef MTF_RELATION_H
#define MTF_RELATION_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "options/column.h"
#include "plan/classify.h"
#include "plan/cost.h"

/* Kept in RelOptInfo.fdw_private. */
typedef struct MtfRelInfo
{
	const MtfColumnMap *map;
	List *proof;  /* of int: 0, and the columns whose types the collection's validator proves */
	List *remote; /* of RestrictInfo: base clauses of which something is sent */
	Selectivity remote_selectivity; /* of `remote` */
	Selectivity index_selectivity;  /* of those for which an index finds the documents */
	const MtfFacts *facts;          /* NULL: nothing is known */
	MtfPrices prices;               /* of the options */
	List *local;                    /* of MtfDecision: what has no remote form of the steps above */
	const char *grouped; /* why groups are made here, if the server could make them; else NULL */
	List *joins; /* of MtfDecision: join conditions, and why a join by them is made here if it is */
} MtfRelInfo;

struct MtfJoinInfo;

/* One join of a joined relation, and what it adds: a base relation, or a join of several. */
typedef struct MtfJoinStep
{
	RelOptInfo *inner;
	struct MtfJoinInfo *nested; /* of a join, as it was chosen; NULL: a base relation */
	MtfJoinKind kind;
	MtfJoinForm form;
	List *clauses; /* of RestrictInfo: of the join itself */
	List *filters; /* of RestrictInfo: tested after it */
} MtfJoinStep;

/* Kept in RelOptInfo.fdw_private of a join that can run remotely. */
typedef struct MtfJoinInfo
{
	List *baserels; /* of RelOptInfo, driving relation first */
	List *steps;    /* of MtfJoinStep */
	Cost work;      /* of the server, without sending the result */
	double rows;    /* that the server is believed to make */
	List *local;    /* as MtfRelInfo.local */
} MtfJoinInfo;

/* Say in the plan of a scan of `rel` why joins with what it does not scan are made here. */
extern void mtf_plan_explain_joins(MtfScanPlan *plan, RelOptInfo *rel);

/* A foreign table of this wrapper. */
extern bool mtf_is_ours(RelOptInfo *rel);

/* Does the query change or lock no row that it reads?  (What INSERT … SELECT reads is not read again.) */
extern bool mtf_is_read_only(PlannerInfo *root);

/* A table or a join of ours that a remote step can stand on: not proven empty, no LATERAL. */
extern bool mtf_is_remote_relation(RelOptInfo *rel);

/* The prices for it: of a join those of its driving table. */
extern const MtfPrices *mtf_prices_of(RelOptInfo *rel);

/* The documents that such a step is believed to read. */
extern double mtf_documents_below(RelOptInfo *rel);

/*
 * A step above `rel` stays local: the reason is shown where its rows come from.  Without a clause `why`
 * says what it is about.
 */
extern void mtf_explain_local(RelOptInfo *rel, Expr *clause, const char *why);

/* A lowering over one base relation. */
extern MtfLowering *mtf_lowering_of(PlannerInfo *root, RelOptInfo *baserel);

/*
 * mtf_classify() under mongo_tenant.enable_filter_pushdown: off, everything is local.
 */
extern MtfTerm *mtf_classify_filter(MtfLowering *lowering, Node *clause, MtfShip *ship,
									const char **why);

/* Keep a column of relation `rel` in the plan's projection; one that none can name ends projecting. */
extern void mtf_plan_project_column(MtfScanPlan *plan, int rel, const MtfColumn *column);

/*
 * Begin the plan of everything at and below `rel`, a base relation or a join of ours: relations,
 * clauses in exact form, joins.  NULL when something there has no exact form.  Whoever takes patterns
 * (plan/late_pattern.h) has a way for those that turn out to have none.
 */
extern MtfLowering *mtf_remote_begin(PlannerInfo *root, RelOptInfo *rel, MtfScanPlan *plan,
									 bool takes_patterns);

/* Why the last mtf_remote_begin() gave NULL. */
extern const char *mtf_remote_reason(void);

#endif /* MTF_RELATION_H */
