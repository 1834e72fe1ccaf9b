/*
 * describe.h
 *	  The one door for questions about a collection itself: its indexes, its options.
 *
 * It takes a scope, and the question is about the scope's collection.  Nothing that the answer holds is
 * about documents.
 */
#ifndef MTF_DESCRIBE_H
#define MTF_DESCRIBE_H

#include "base/compat.h"
#include "base/driver_compat.h"
#include "pipeline/pipeline.h"
#include "remote/connection.h"
#include "remote/wire.h"

/* Appends the command to an empty document; false: there is no room. */
typedef bool (*MtfDescribeAppend)(bson_t *command, const char *collection);

/*
 * Ask once.  False: the server does not say (no such collection, no right to ask), or it is reached through
 * the driver alone (compression, sharded clusters).  The reply lives in the current memory context.
 * `command` names it in messages.  Raises when the connection fails, and for a scope without a tenant.
 */
extern bool mtf_describe_ask(MtfConnection *connection, const MtfScope *scope,
							 const char *read_preference, const char *command,
							 MtfDescribeAppend append, MtfReply *reply);

#endif /* MTF_DESCRIBE_H */
