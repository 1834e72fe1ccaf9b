/*
 * diag.c
 *	  Lines of mongo_tenant.diag() that rooms of their own know.
 */
#include "base/diag.h"

#define MAX_ENTRIES 8

static struct
{
	const char *name;
	MtfDiagReader reader;
} entries[MAX_ENTRIES];

static int nentries = 0;

void
mtf_diag_register(const char *name, MtfDiagReader reader)
{
	Assert(nentries < MAX_ENTRIES);
	if (nentries == MAX_ENTRIES)
		return;
	entries[nentries].name = name;
	entries[nentries].reader = reader;
	nentries++;
}

bool
mtf_diag_get(int i, const char **name, const char **value)
{
	if (i >= nentries)
		return false;
	*name = entries[i].name;
	*value = entries[i].reader();
	return true;
}
