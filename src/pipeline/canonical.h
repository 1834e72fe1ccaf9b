/*
 * canonical.h
 *	  The stage in front of a remote $group that checks each used column once.
 */
#ifndef MTF_CANONICAL_H
#define MTF_CANONICAL_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* The columns that a $group uses, under names of ours. */
typedef struct MtfCanonical
{
	List *fields; /* of MtfField: the n-th is "v<n>", its canonical value or null */
	List *absent; /* of MtfField: those whose absence counts; "n<n>" with the number of `fields` */
} MtfCanonical;

/*
 * What the stage is to hold; NULL: no stage is needed, because no column with a guard is used more than
 * once.  Lives in the current memory context.
 */
extern MtfCanonical *mtf_canonical_of(const MtfScanPlan *plan);

/* Write the columns into the body of a $project; `context` sees documents as they come. */
extern void mtf_canonical_write(const MtfCanonical *canonical, const MtfExprContext *context,
								StringInfo out);

/* The number of the field; -1: it is not one of them. */
extern int mtf_canonical_find(const MtfCanonical *canonical, const MtfField *field);

#endif /* MTF_CANONICAL_H */
