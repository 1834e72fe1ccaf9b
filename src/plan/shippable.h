/*
 * shippable.h
 *	  What PostgreSQL operator or function has a remote form, which one, and how exact it is.
 *
 * The table in shippable.c is the whole truth: no row, no pushdown.
 */
#ifndef MTF_SHIPPABLE_H
#define MTF_SHIPPABLE_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/plan_private.h"

/* What a table row can be used as. */
typedef enum MtfForm
{
	MTF_FORM_COMPARE, /* column op value; also under ANY, ALL and IS DISTINCT FROM */
	MTF_FORM_LIKE,
	MTF_FORM_ILIKE,
	MTF_FORM_REGEX, /* that is a LIKE pattern in other words */
	MTF_FORM_IREGEX,
	MTF_FORM_PREFIX,
	MTF_FORM_CONTAINS,      /* array column @> value */
	MTF_FORM_CONTAINED,     /* array column <@ value */
	MTF_FORM_OVERLAPS,      /* array column && value */
	MTF_FORM_ARRAY_UNEQUAL, /* array column <> value */
	MTF_FORM_MEMBER,        /* jsonb column ->, ->>, #> or #>> */
	MTF_FORM_JSON_CONTAINS,
	MTF_FORM_JSON_EQUAL,
	MTF_FORM_JSON_KEY,  /* op EQ: one of the keys, else all of them */
	MTF_FORM_JSON_PATH, /* op EQ: the path finds something, else its predicate holds */
	MTF_FORM_PART, /* a part of a time column, compared with a constant: a range of the column */
	MTF_FORM_TEXT, /* a part of a text, or its length: a pattern of the column, or computed */
	MTF_FORM_ARITHMETIC, /* + - *, where no result can overflow */
	MTF_FORM_WIDEN,      /* a cast of a column that keeps every value: looked through */
	MTF_FORM_COUNT,      /* aggregates from here on */
	MTF_FORM_SUM,
	MTF_FORM_AVG,
	MTF_FORM_MIN,
	MTF_FORM_MAX,
	MTF_FORM_VAR_POP,
	MTF_FORM_VAR_SAMP,
	MTF_FORM_STDDEV_POP,
	MTF_FORM_STDDEV_SAMP
} MtfForm;

typedef struct MtfShippable
{
	Oid function; /* of the operator, or the function itself */
	MtfForm form;
	MtfOp op;
	MtfShip
		ship; /* the best that is possible; NaN, types and arrays are guarded where exact.  LOCAL: none */
	const char *mongo; /* the form that is sent, for the pushdown matrix */
	const char *why;   /* why the meaning is the same, and what the recheck is for */
} MtfShippable;

/* The row of a function; NULL: it runs locally. */
extern const MtfShippable *mtf_shippable_find(Oid function);

#endif /* MTF_SHIPPABLE_H */
