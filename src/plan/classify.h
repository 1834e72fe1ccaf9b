/*
 * classify.h
 *	  Clause → exact, superset or local, and the lowered term that is sent.
 */
#ifndef MTF_CLASSIFY_H
#define MTF_CLASSIFY_H

#include "base/compat.h"
#include "plan/lowering.h"

/*
 * Lower one clause.  NULL: it stays local, and *why says the reason.  Otherwise *ship is exact or
 * superset, and *why tells what the recheck is for (or NULL).  Terms share no memory with `clause`
 * except through lowering->values.
 */
extern MtfTerm *mtf_classify(MtfLowering *lowering, Node *clause, MtfShip *ship, const char **why);

/* Does a term nest more deeply than servers take? */
extern bool mtf_term_is_too_high(const MtfTerm *term);

#endif /* MTF_CLASSIFY_H */
