/*
 * validator.h
 *	  What planning may ask about a collection's validator.
 */
#ifndef MTF_REMOTE_VALIDATOR_H
#define MTF_REMOTE_VALIDATOR_H

#include "base/compat.h"
#include "remote/cursor.h"

/*
 * The options of the scope's collection as the server lists them, a BSON document in the current memory
 * context; NULL: the server does not say.  Raises when the connection fails.
 */
extern uint8 *mtf_validator_ask(MtfConnection *connection, const MtfScope *scope,
								const char *read_preference, uint32 *len);

#endif /* MTF_REMOTE_VALIDATOR_H */
