/*
 * policy.h
 *	  Who sees what of a collection: its own policy, else its server's default, else nobody.
 */
#ifndef MTF_POLICY_H
#define MTF_POLICY_H

#include "base/compat.h"

#include "options/option.h"

typedef struct MtfPolicy
{
	bool is_default;   /* the server's tenant_field */
	bool shared;       /* no tenant */
	const char *field; /* NULL when shared; copied to the caller's context */
	MtfTenantType type;
	bool array; /* the field is an array of tenants */
} MtfPolicy;

/* Why a collection is denied: an SQLSTATE (42501, or F0000 for what an administrator must repair). */
typedef struct MtfPolicyDenial
{
	int sqlstate;
	const char *why; /* static */
} MtfPolicyDenial;

/* The policy of a collection; false and *denial when nobody may read it. */
extern bool mtf_policy_find(const MtfServerOptions *server, const char *database,
							const char *collection, MtfPolicy *policy, MtfPolicyDenial *denial);

/* Names as in options and tables: "string", "int", … */
extern bool mtf_tenant_type_parse(const char *name, MtfTenantType *type);
extern const char *mtf_tenant_type_name(MtfTenantType type);

/* Can this path hold a tenant? */
extern bool mtf_tenant_field_is_valid(const char *field, const char **why);

#endif /* MTF_POLICY_H */
