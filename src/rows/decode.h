/*
 * decode.h
 *	  BSON document → values of a slot, by a plan compiled per scan.
 *
 * The tenant recheck (scope.h) has been made before; values are decoded here and bounds are checked:
 * an invalid document is an error (XX001), never a crash.
 */
#ifndef MTF_DECODE_H
#define MTF_DECODE_H

#include "base/compat.h"
#include "options/column.h"

typedef struct MtfDecoder MtfDecoder;

/*
 * A decoder of `natts` attributes; columns[i] is NULL for an attribute that is not wanted (it is
 * set to NULL).  Lives in the current memory context.  Raises only out-of-memory.
 */
extern MtfDecoder *mtf_decoder_create(int natts, MtfColumn **columns);

/*
 * Decode one document into values/isnull (natts each; of a NULL the value is left alone).  The values
 * last until the next call on this decoder: they live in memory of the decoder, in `doc`, or in the
 * current memory context, which the caller resets per row.  Raises 22xxx naming the column for a value
 * that does not fit under on_mismatch 'error' (the BSON type is named, the value is not), XX001 for
 * invalid BSON.  What fits which type is told in value.h.
 *
 * Of a field that occurs twice, the first one counts.  A path that meets an array where it has a name
 * does not fit; one that meets another value is missing, hence NULL.
 */
extern void mtf_decoder_row(MtfDecoder *decoder, const uint8 *doc, uint32 len, Datum *values,
							bool *isnull);

#endif /* MTF_DECODE_H */
