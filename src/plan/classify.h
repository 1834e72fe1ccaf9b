/*
 * classify.h
 *	  Clause → exact, superset or local, and the lowered term that is sent.
 */
#ifndef MTF_CLASSIFY_H
#define MTF_CLASSIFY_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/plan_private.h"

#include "nodes/pathnodes.h"

/* One base relation as clauses see it. */
typedef struct MtfLowerRel
{
	Index rti;
	const MtfColumnMap *map;
} MtfLowerRel;

/* The state of lowering the clauses of one plan; `values` grows and becomes fdw_exprs. */
typedef struct MtfLowering
{
	PlannerInfo *root;
	int nrels;
	MtfLowerRel *rels;
	Relids relids;   /* of rels */
	List *values;    /* of Expr: what the executor evaluates at each (re)scan */
	const char *why; /* the last reason found, or NULL */
} MtfLowering;

extern MtfLowering *mtf_lowering_create(PlannerInfo *root, int nrels, MtfLowerRel *rels);

/*
 * Lower one clause.  NULL: it stays local, and *why says the reason.  Otherwise *ship is exact or
 * superset, and *why tells what the recheck is for (or NULL).  Terms share no memory with `clause`
 * except through lowering->values.
 */
extern MtfTerm *mtf_classify(MtfLowering *lowering, Node *clause, MtfShip *ship, const char **why);

/* Does a term nest more deeply than servers take? */
extern bool mtf_term_is_too_high(const MtfTerm *term);

/* True when a column's path can be named in a query at all. */
extern bool mtf_column_is_addressable(const MtfColumn *column);

/* The field that a plain column reference names; NULL for anything else. */
extern MtfField *mtf_lowering_field(MtfLowering *lowering, Node *node);

/* The index of a value that the executor can evaluate before the scan; -1: it cannot. */
extern int mtf_lowering_value(MtfLowering *lowering, Node *node);

#endif /* MTF_CLASSIFY_H */
