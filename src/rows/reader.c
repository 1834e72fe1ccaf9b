/*
 * reader.c
 *	  Who reads a table: what was learned from a tenant's documents is kept for the same reader only.
 *
 * A token is not enough: a provider may by now read another claim of it, a policy may name another field,
 * and a table may be of another collection.
 */
#include "rows/reader.h"

#include "pipeline/pipeline.h"

MtfReader
mtf_reader_of(Oid relid, Oid userid, const MtfIdentity *identity)
{
	const MtfClaims *claims = mtf_identity_claims(identity);
	const MtfScope *scope = mtf_scope_create_for_explain(relid);
	MtfReader reader;
	char *documents =
		psprintf("%u\n%s\n%s\n%s\n%s\n%d\n%s", mtf_scope_server(scope), mtf_scope_database(scope),
				 mtf_scope_collection(scope), mtf_pipeline_describe(mtf_pipeline_from(scope)),
				 claims->provider, (int) claims->tenant_kind, claims->tenant);

	memset(&reader, 0, sizeof(reader));
	reader.relid = relid;
	reader.userid = userid;
	reader.token = *mtf_identity_token_hash(identity);
	mtf_identity_hash(documents, &reader.documents);
	return reader;
}
