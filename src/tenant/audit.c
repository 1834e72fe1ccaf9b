/*
 * audit.c
 *	  Audit lines.
 *
 * Everything that a line needs is read when an access begins: at its end the transaction may be
 * aborting, and no catalog can be read then.
 */
#include "tenant/audit.h"

#include "lib/stringinfo.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "tenant/provider.h"

#define ID_HASH_BYTES 8

int mtf_setting_audit = MTF_AUDIT_OFF;

const struct config_enum_entry mtf_audit_options[] = {
	{"off", MTF_AUDIT_OFF, false},
	{"deny", MTF_AUDIT_DENY, false},
	{"all", MTF_AUDIT_ALL, false},
	{NULL, 0, false},
};

static void
append_member(StringInfo line, const char *name, const char *value)
{
	if (value == NULL)
		return;
	if (line->len > 1)
		appendStringInfoString(line, ", ");
	escape_json(line, name);
	appendStringInfoString(line, ": ");
	escape_json(line, value);
}

/* A line is written whatever the database's encoding can hold. */
static void
append_utf8_member(StringInfo line, const char *name, const char *value)
{
	const char *text = value == NULL ? NULL : mtf_text_try_from_utf8(value);

	append_member(line, name, value != NULL && text == NULL ? "?" : text);
}

/* Enough to find a token again, nothing to use it with. */
static char *
id_hash(const MtfIdentity *identity)
{
	const MtfClaims *claims = mtf_identity_claims(identity);
	MtfTokenHash hash = *mtf_identity_token_hash(identity);
	char *hex = palloc(2 * ID_HASH_BYTES + 1);
	int i;

	if (claims->jti != NULL)
		mtf_identity_hash(claims->jti, &hash);
	for (i = 0; i < ID_HASH_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash.bytes[i]);
	return hex;
}

static char *
relation_name(Oid relid)
{
	const char *name = OidIsValid(relid) ? get_rel_name(relid) : NULL;
	const char *schema = name != NULL ? get_namespace_name(get_rel_namespace(relid)) : NULL;

	return name == NULL ? NULL : psprintf("%s.%s", schema != NULL ? schema : "?", name);
}

static char *
describe(const char *event, const MtfIdentity *identity, Oid relid, const char *why)
{
	StringInfoData line;

	initStringInfo(&line);
	appendStringInfoChar(&line, '{');
	append_member(&line, "event", event);
	append_member(&line, "user", GetUserNameFromId(GetSessionUserId(), true));
	if (identity != NULL)
	{
		const MtfClaims *claims = mtf_identity_claims(identity);

		append_member(&line, "provider", claims->provider);
		append_utf8_member(&line, "issuer", claims->issuer);
		append_utf8_member(&line, "subject", claims->subject);
		append_member(&line, "token", id_hash(identity));
		append_utf8_member(&line, "tenant", claims->tenant);
	}
	append_member(&line, "relation", relation_name(relid));
	append_member(&line, "reason", why);
	return line.data;
}

static void
write_line(const char *line)
{
	ereport(LOG_SERVER_ONLY,
			(errmsg("mongo_tenant audit: %s}", line), errhidestmt(true), errhidecontext(true)));
}

static void
access_ended(void *arg)
{
	MtfAudit *audit = arg;

	ereport(LOG_SERVER_ONLY,
			(errmsg("mongo_tenant audit: %s, \"operation\": \"%s\", \"rows\": " UINT64_FORMAT "}",
					audit->line, audit->operation, audit->rows),
			 errhidestmt(true), errhidecontext(true)));
}

MtfAudit *
mtf_audit_begin(const MtfIdentity *identity, Oid relid, const char *operation)
{
	MtfAudit *audit = palloc0(sizeof(MtfAudit));

	audit->operation = operation;
	if (mtf_setting_audit != MTF_AUDIT_ALL)
		return audit;
	audit->line = describe("access", identity, relid, NULL);
	audit->callback.func = access_ended;
	audit->callback.arg = audit;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &audit->callback);
	return audit;
}

void
mtf_audit_denial(const char *why)
{
	if (mtf_setting_audit != MTF_AUDIT_OFF)
		write_line(describe("denial", NULL, InvalidOid, why));
	else
		ereport(LOG_SERVER_ONLY, (errmsg("mongo_tenant token refused: %s", why), errhidestmt(true),
								  errhidecontext(true)));
}

void
mtf_audit_refusal(const MtfIdentity *identity, Oid relid, const char *why)
{
	if (mtf_setting_audit != MTF_AUDIT_OFF)
		write_line(describe("denial", identity, relid, why));
}

void
mtf_audit_bypass(void)
{
	write_line(describe("bypass", NULL, InvalidOid, NULL));
}
