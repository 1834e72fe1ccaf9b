/*
 * canonical.h
 *	  The stage in front of a remote $group that checks each used column once.
 */
#ifndef MTF_CANONICAL_H
#define MTF_CANONICAL_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* The columns that a $group uses several times, under names of ours. */
typedef struct MtfCanonical
{
	List *fields;       /* of MtfField: the canonical value of each, or null */
	const char *prefix; /* of the names: no path that is read begins with it */
} MtfCanonical;

/*
 * What the stage is to hold; NULL: no stage is needed, because no column with a guard is used more than
 * once.  `tenants` (of char *) are paths that are read behind it, too.  Lives in the current memory context.
 */
extern MtfCanonical *mtf_canonical_of(const MtfScanPlan *plan, const List *tenants);

/* A name for one more field of the documents: no path that is read begins with it; palloc'ed. */
extern char *mtf_canonical_free_name(const MtfScanPlan *plan, const List *tenants,
									 const char *name);

/* Write the columns into the body of an $addFields; `context` sees documents as they come. */
extern void mtf_canonical_write(const MtfCanonical *canonical, const MtfExprContext *context,
								StringInfo out);

/* The name of a field that is one of them; palloc'ed. */
extern char *mtf_canonical_name(const MtfCanonical *canonical, const MtfField *field);

/* The number of the field; -1: it is not one of them. */
extern int mtf_canonical_find(const MtfCanonical *canonical, const MtfField *field);

#endif /* MTF_CANONICAL_H */
