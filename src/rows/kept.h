/*
 * kept.h
 *	  What was learned from a server, kept for the same reader, for a while.
 */
#ifndef MTF_KEPT_H
#define MTF_KEPT_H

#include "base/compat.h"

#include "rows/reader.h"

/* A static variable with the first three members set. */
typedef struct MtfKept
{
	const char *name;      /* of its memory, as others see it */
	int milliseconds;      /* that an entry is good for */
	int most;              /* entries; one more, and all are forgotten */
	MemoryContext context; /* NULL: nothing was ever kept */
	List *entries;
} MtfKept;

/* What was put for the reader; NULL: nothing, or it is too old. */
extern const void *mtf_kept_find(MtfKept *kept, const MtfReader *reader);

/*
 * The memory of an entry to be: a child of the current context, until mtf_kept_put() makes it part of
 * what is kept, in the place of what was there for the reader.
 */
extern MemoryContext mtf_kept_begin(const MtfKept *kept);
extern void mtf_kept_put(MtfKept *kept, const MtfReader *reader, MemoryContext memory,
						 const void *value);

extern void mtf_kept_forget(MtfKept *kept);

#endif /* MTF_KEPT_H */
