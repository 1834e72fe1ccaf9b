/*
 * reader.h
 *	  Who reads a table: what was learned from a tenant's documents is kept for the same reader only.
 */
#ifndef MTF_READER_H
#define MTF_READER_H

#include "base/compat.h"
#include "tenant/session.h"

/* Equal, by memcmp(): the same documents are read, with the same token. */
typedef struct MtfReader
{
	Oid relid;
	Oid userid;
	MtfTokenHash token;
	MtfTokenHash documents; /* of all that says which: collection, predicate, tenant */
} MtfReader;

/* The reader of a table as a user under an identity, now.  Raises when a policy denies the table. */
extern MtfReader mtf_reader_of(Oid relid, Oid userid, const MtfIdentity *identity);

#endif /* MTF_READER_H */
