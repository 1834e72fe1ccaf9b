/*
 * error.h
 *	  From a driver's or server's error to ereport, with the right SQLSTATE and no secret.
 *
 * What must not happen here: a server text that quotes values (duplicate key, failed validation)
 * reaching the client, or any URI, credential or token.
 */
#ifndef MTF_ERROR_H
#define MTF_ERROR_H

#include "base/compat.h"
#include "base/driver_compat.h"

/*
 * Raise what the driver or the server reported for `command` ("find", "aggregate", …).
 * `reply` may be NULL or empty.  SQLSTATEs: contract.md, "SQLSTATEs".  Never returns.
 */
extern void mtf_error_raise(const bson_error_t *error, const bson_t *reply, const char *command)
	pg_attribute_noreturn();

/* The one message of 28000; the reason goes to the server log by the caller, never to the client. */
extern void mtf_error_raise_token(void) pg_attribute_noreturn();

#endif /* MTF_ERROR_H */
