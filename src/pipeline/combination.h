/*
 * combination.h
 *	  {$and: […]} and {$or: […]} of conditions in the match language.
 *
 * What is decided without the document is not written: begin, then for each condition its key, the condition
 * and what it came to, then end.
 */
#ifndef MTF_COMBINATION_H
#define MTF_COMBINATION_H

#include "base/compat.h"
#include "pipeline/expr.h"

typedef struct MtfCombination
{
	StringInfo out;
	MtfMark condition;
	MtfMark list;
	MtfVerdict decisive; /* of one, for all */
	bool decided;        /* nothing more need be written */
	int n;
} MtfCombination;

/* $or if `any`, else $and */
extern MtfCombination mtf_combination_begin(StringInfo out, const char *key, bool any);

/* The key of the next condition, and then what that came to. */
extern const char *mtf_combination_key(const MtfCombination *all);
extern void mtf_combination_add(MtfCombination *all, MtfVerdict verdict);

/* The key of a condition that is written in any case: MTF_SOME need not be added. */
extern const char *mtf_combination_next(MtfCombination *all);

/* What all of it came to; what was written is taken back where that says nothing. */
extern MtfVerdict mtf_combination_end(const MtfCombination *all);

#endif /* MTF_COMBINATION_H */
