/*
 * jsonb.h
 *	  BSON value → jsonb, in the formats `plain` and `extended` of the option json_format.
 *
 * plain: ObjectId as hex text, dates as ISO 8601 text (UTC, milliseconds when there are any), all
 * numbers as numbers, UUID (subtype 4) as text, other binary as base64, symbol as text, undefined as
 * null; NaN and the infinities as text, for JSON has no such number.  Types without a plain form are
 * written as in extended.  extended: relaxed Extended JSON v2.
 *
 * Of a key that occurs twice in a document, the first one counts: as it does for columns, and when
 * the server matches.  (jsonb's own input keeps the last.)
 */
#ifndef MTF_JSONB_H
#define MTF_JSONB_H

#include "base/compat.h"
#include "options/option.h"

#include "utils/jsonb.h"

/*
 * The jsonb of a value whose size mtf_bson_size() has measured; palloc'd, with scratch memory, in the
 * current context.  NULL when a string or key in it has a NUL, invalid UTF-8, or characters that the
 * database's encoding cannot hold.  Raises XX001 for invalid BSON, 54001 for nesting too deep.
 */
extern Jsonb *mtf_jsonb_from_bson(uint8 type, const uint8 *value, uint32 size,
								  MtfJsonFormat format);

#endif /* MTF_JSONB_H */
