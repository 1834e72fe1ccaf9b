/*
 * validator.h
 *	  trust_types 'validator': which columns a collection's $jsonSchema vouches for.
 */
#ifndef MTF_ROWS_VALIDATOR_H
#define MTF_ROWS_VALIDATOR_H

#include "base/compat.h"
#include "plan/plan_private.h"

#include "nodes/bitmapset.h"

/*
 * The attribute numbers of the columns whose types the validator of the table's collection proves; in the
 * current memory context.  Asks the server, unless it said so within the last 30 s.  NULL without a token, and
 * under every doubt.
 */
extern Bitmapset *mtf_validator_proves(Oid relid, Oid userid);

/* Raise 55000 if a plan was made by a proof that the server does not give any more. */
extern void mtf_validator_check(const MtfScanPlan *plan, Oid userid);

#endif /* MTF_ROWS_VALIDATOR_H */
