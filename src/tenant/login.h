/*
 * login.h
 *	  PostgreSQL 18 login with the token itself: an OAuth validator in the same library.
 *
 * Who logs in with OAUTHBEARER has the token in force from the first statement to the last; no SET is
 * needed, and none is taken.
 */
#ifndef MTF_LOGIN_H
#define MTF_LOGIN_H

#include "base/compat.h"

/*
 * mongo_tenant.login_providers: files of key_dir, comma-separated.  Each is a JWK Set with two more
 * members, "issuer" and "audience" (text or array of texts): catalogs cannot be read while a
 * connection is authenticated.
 */
extern char *mtf_setting_login_providers;

/* True when the connection's token came with its login: the session may not change it. */
extern bool mtf_login_is_bound(void);

#endif /* MTF_LOGIN_H */
