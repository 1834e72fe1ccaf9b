/*
 * setting.h
 *	  The setting mongo_tenant.jwt: its hooks, its stamp, and what hides it.
 */
#ifndef MTF_SETTING_H
#define MTF_SETTING_H

#include "base/compat.h"

#include "utils/guc.h"

#include "tenant/identity.h"

extern char *mtf_setting_jwt;

/* mongo_tenant.token_scope */
typedef enum MtfTokenScope
{
	MTF_TOKEN_SCOPE_SESSION,
	MTF_TOKEN_SCOPE_TRANSACTION
} MtfTokenScope;

extern int mtf_setting_token_scope;
extern const struct config_enum_entry mtf_token_scope_options[];

/* Hooks of mongo_tenant.jwt, for DefineCustomStringVariable. */
extern bool mtf_jwt_check(char **newval, void **extra, GucSource source);
extern void mtf_jwt_assign(const char *newval, void *extra);
/*
 * Plans were made with figures of the tenant (use_remote_estimate): the next token shall not see them,
 * so that cached plans are made again when the setting changes.
 */
extern bool mtf_setting_plans_know_tenant;

extern const char *mtf_jwt_show(void);

/* Callbacks; after the settings were defined, so that values taken over then are known as such. */
extern void mtf_setting_init(void);

/* The token in force and its hash; NULL when there is none. */
extern const char *mtf_setting_token(const MtfTokenHash **hash);

/* Was the token set in this very transaction? */
extern bool mtf_setting_token_is_fresh(void);

#endif /* MTF_SETTING_H */
