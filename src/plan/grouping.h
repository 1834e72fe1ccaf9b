/*
 * grouping.h
 *	  A grouping step while it is planned: the attributes of its rows, and what completes them here.
 */
#ifndef MTF_GROUPING_H
#define MTF_GROUPING_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/lowering.h"
#include "plan/plan_private.h"
#include "plan/plan_upper.h"

typedef struct MtfGrouping
{
	MtfLowering *lowering;
	MtfUpperPlan *upper;
	MtfScanPlan *plan;
	List *hidden;      /* attributes that only MtfFinish uses */
	int in_distinct;   /* what is accumulated now is of this list of distinct values; 0: of all */
	Expr *current;     /* the key or aggregate that is being added: of it lowering->why speaks */
	MtfField *remote;  /* where the server has what the aggregate comes to; NULL: it is made here */
	bool never_null;   /* of `remote` */
	bool rounded;      /* of `remote`: PostgreSQL's value has fewer digits */
	List *known;       /* of MtfKnown: keys and aggregates that the server has */
	bool alarms_here;  /* something is checked here that the server cannot */
	bool whole_having; /* the server tests all of HAVING */
} MtfGrouping;

/* Stay local, and remember why: false. */
extern bool mtf_grouping_local(MtfGrouping *grouping, const char *why);

/* The same for whoever answers an expression: NULL. */
extern Node *mtf_grouping_none(MtfGrouping *grouping, const char *why);

/* One more attribute of the slot, for `expr`; its number. */
extern int mtf_grouping_add(MtfGrouping *grouping, Expr *expr, const char *name, Oid typid,
							int32 typmod);

/* A Var of the slot for an accumulator's result, read as the given type. */
extern Node *mtf_grouping_hidden(MtfGrouping *grouping, const char *name, Oid typid, int32 typmod);

/* The server has `expr` in this field of the group's document. */
extern MtfField *mtf_grouping_field(const char *name, Oid type);
extern void mtf_grouping_know(MtfGrouping *grouping, Expr *expr, MtfField *field, bool never_null);

/* A field of the group's document: an accumulator's value, completed by what another one counted. */
extern MtfField *mtf_grouping_value(MtfGrouping *grouping, MtfGroupValueKind kind,
									const char *value, const char *count, Oid type);

/* The accumulator's name; equal ones are computed once. */
extern const char *mtf_grouping_accumulate(MtfGrouping *grouping, MtfAccumulate kind, MtfTerm *arg,
										   MtfTerm *filter, bool decimal);

/* The accumulator's name of any one value of a group in which all are equal. */
extern const char *mtf_grouping_first(MtfGrouping *grouping, MtfTerm *value);

/* The typmod of numerics of any size with this scale. */
extern int32 mtf_grouping_numeric_typmod(int scale);

#endif /* MTF_GROUPING_H */
