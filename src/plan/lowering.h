/*
 * lowering.h
 *	  The operands of clauses: fields, values, and which of them compare remotely.
 *
 * Functions that answer NULL, false or -1 leave the reason in lowering->why.
 */
#ifndef MTF_LOWERING_H
#define MTF_LOWERING_H

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

/* An expression over groups that stands in a field of their documents. */
typedef struct MtfKnown
{
	Expr *expr;
	MtfField *field;
	bool never_null;
	bool rounded; /* PostgreSQL's value has fewer digits: only to be sorted by, as the last key */
} MtfKnown;

/* The state of lowering the clauses of one plan; `values` grows and becomes fdw_exprs. */
typedef struct MtfLowering
{
	PlannerInfo *root;
	int nrels;
	MtfLowerRel *rels;
	Relids relids;         /* of rels */
	List *values;          /* of Expr: what the executor evaluates at each (re)scan */
	bool over_groups;      /* fields are those of `known`, no columns */
	List *known;           /* of MtfKnown */
	bool counts_overflows; /* whoever lowers counts what is outside its type (MtfTerm.overflows) */
	bool
		bounds_digits; /* whoever lowers makes sure that 34 digits do for what is computed of numerics */
	bool allows_doubt;   /* a parameter may stand where its value must have an exact form there, */
	bool doubts;         /* and one does: what is sent of it is decided when it is known */
	bool takes_patterns; /* a LIKE pattern that is known later is exact: it is looked at then */
	bool
		allows_overflow; /* a condition may hold where a whole number is outside its type: an error here */
	const char *why; /* the last reason found, or NULL */
} MtfLowering;

extern MtfLowering *mtf_lowering_create(PlannerInfo *root, int nrels, MtfLowerRel *rels);

/* True when a column's path can be named in a query at all. */
extern bool mtf_column_is_addressable(const MtfColumn *column);

/* The field that a plain column reference names; NULL for anything else. */
extern MtfField *mtf_lowering_field(MtfLowering *lowering, Node *node);

/* The index of a value that the executor can evaluate before the scan; -1: it cannot. */
extern int mtf_lowering_value(MtfLowering *lowering, Node *node);

/*
 * A column that only aggregates have an exact form for: a plain numeric, marked as loose (what uses it
 * counts the documents that are not exact), or a float4, as the double that rounds to it.  NULL for
 * anything else.
 */
extern MtfField *mtf_lowering_loose_field(MtfLowering *lowering, Node *node);

/* The kind of values of a type that expressions compute; false: there is none. */
extern bool mtf_kind_of_value(Oid type, MtfKind *kind);

extern Node *mtf_without_relabels(Node *node);

/* Stay local, and remember why. */
extern MtfTerm *mtf_lowering_local(MtfLowering *lowering, const char *why);

/* The field of a column reference of ours; NULL when `node` is something else. */
extern MtfField *mtf_lowering_find_field(MtfLowering *lowering, Node *node);

/* A jsonb column as the start of a path to its members; the whole document has none of its own. */
extern MtfField *mtf_lowering_find_json(MtfLowering *lowering, Var *var);

/* Can the executor evaluate `node` before any row of ours is known? */
extern bool mtf_lowering_is_value(MtfLowering *lowering, Node *node);

/* The index of a value in the plan's list; equal expressions share one. */
extern int mtf_lowering_value_index(MtfLowering *lowering, Node *node);

/* Does a value's type fit a column?  NULL when the pair has no remote meaning. */
extern Node *mtf_lowering_fit_value(const MtfField *field, Node *value, bool is_list);

/* Text: does the collation let bytes decide?  False, with the reason remembered, when not. */
extern bool mtf_lowering_collation_allows(MtfLowering *lowering, const MtfField *field, MtfOp op,
										  Oid collation);

/* A comparison of a field with a value, or with each of a list of values. */
extern MtfTerm *mtf_lowering_create_comparison(MtfLowering *lowering, MtfTermKind kind, MtfOp op,
											   MtfField *field, Node *value);

/* A test of a field alone. */
extern MtfTerm *mtf_lowering_create_test(MtfTermKind kind, MtfOp op, MtfField *field);

extern MtfTerm *mtf_lowering_create_constant(bool holds);

extern MtfOp mtf_op_negated(MtfOp op);

/* value op field → field op value */
extern MtfOp mtf_op_commuted(MtfOp op);

extern const char *mtf_lowering_function_reason(Oid function);

/* Why two operands of a known operator could not be lowered. */
extern const char *mtf_lowering_operand_reason(MtfLowering *lowering, Node *left, Node *right);

/* Split `left op right` into field and fitted value; false, with the reason, when it is not one. */
extern bool mtf_lowering_split_operands(MtfLowering *lowering, Node *left, Node *right, MtfOp *op,
										MtfField **field, Node **value);

/* `tags.0`: an array's element or a field named "0", which an aggregation expression does not do. */
extern bool mtf_path_has_position(const char *path);

#endif /* MTF_LOWERING_H */
