/*
 * compute.h
 *	  Computed values (arithmetic, CASE) → lowered terms, when the server gets them exactly right.
 */
#ifndef MTF_COMPUTE_H
#define MTF_COMPUTE_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/classify.h"

#define MTF_DECIMAL_DIGITS 34 /* that a Decimal128 keeps */

/*
 * The exact term of a value expression; NULL: it has none, and lowering->why says the reason.  Whole
 * numbers that may overflow come only under lowering->counts_overflows, marked by what they may overflow;
 * numerics for which a Decimal128 may be too short only under lowering->bounds_digits.
 */
extern MtfTerm *mtf_compute(MtfLowering *lowering, Node *node);

/* A value term without digits; exact. */
extern MtfTerm *mtf_compute_create(MtfTermKind kind, MtfFunction function, MtfField *field,
								   int value, List *args);

/* Every field that the term reads. */
extern List *mtf_term_fields(MtfTerm *term);

/* The columns whose values a term computes with, each as often as it does: not those of conditions. */
extern List *mtf_term_operands(MtfTerm *term);

/* May an integer in it be outside its type?  That is an error later on; until then it has more digits than the type. */
extern bool mtf_term_may_overflow(const MtfTerm *term);

/* A constant of a computed value, as a numeric expression. */
extern Node *mtf_compute_constant_as_numeric(Node *constant);

#endif /* MTF_COMPUTE_H */
