/*
 * compat_login.h
 *	  PostgreSQL 18: login with OAuth bearer tokens.  Before, there is nothing to validate.
 *
 * Apart from compat.h because the header brings the socket library with it.
 */
#ifndef MTF_COMPAT_LOGIN_H
#define MTF_COMPAT_LOGIN_H

#include "base/compat.h"

#if PG_VERSION_NUM >= 180000
#include "libpq/oauth.h"
#define MTF_HAVE_OAUTH_LOGIN
#endif

#endif /* MTF_COMPAT_LOGIN_H */
