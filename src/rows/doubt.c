/*
 * doubt.c
 *	  Aggregates whose numbers from the server turned out not to be exact.
 *
 * What must not happen here: anything that decides about more than speed.
 */
#include "rows/doubt.h"

#include "common/hashfn.h"

#include "rows/kept.h"

#define MAX_KEPT 16 /* aggregates of one reader */

struct MtfDoubt
{
	MtfReader reader;
	uint32 aggregates;
};

typedef struct Known
{
	int n;
	uint32 aggregates[MAX_KEPT];
} Known;

static MtfKept kept = {"doubts", 600000, 64}; /* Known */

MtfDoubt *
mtf_doubt_create(const MtfScanPlan *plan, Oid userid, MtfBinding *binding)
{
	const MtfIdentity *identity = mtf_binding_identity(binding);
	MtfDoubt *doubt;
	char *text;

	/* A bypass has no token to keep anything for. */
	if (identity == NULL)
		return NULL;
	doubt = palloc0(sizeof(MtfDoubt));
	doubt->reader = mtf_reader_of(linitial_oid(plan->relids), userid, identity);
	text = nodeToString(plan->accumulators);
	doubt->aggregates = hash_bytes((const unsigned char *) text, strlen(text));
	pfree(text);
	return doubt;
}

bool
mtf_doubt_is_known(const MtfDoubt *doubt)
{
	const Known *known = doubt == NULL ? NULL : mtf_kept_find(&kept, &doubt->reader);

	for (int i = 0; known != NULL && i < known->n; i++)
		if (known->aggregates[i] == doubt->aggregates)
			return true;
	return false;
}

void
mtf_doubt_keep(const MtfDoubt *doubt)
{
	const Known *before;
	MemoryContext memory;
	Known *known;

	if (doubt == NULL || mtf_doubt_is_known(doubt))
		return;
	before = mtf_kept_find(&kept, &doubt->reader);
	memory = mtf_kept_begin(&kept);
	known = MemoryContextAllocZero(memory, sizeof(Known));
	/* Of too many, all others are forgotten. */
	if (before != NULL && before->n < MAX_KEPT)
		*known = *before;
	known->aggregates[known->n++] = doubt->aggregates;
	mtf_kept_put(&kept, &doubt->reader, memory, known);
}
