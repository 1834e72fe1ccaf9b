/*
 * absence.h
 *	  What is NULL here, in the match language: nothing there, or a value that does not decode.
 *
 * A value that does not decode is NULL under on_mismatch 'null' and an error under 'error': either way
 * its document has to come, so that the rows (or the error) are those of a scan without pushdown.
 */
#ifndef MTF_PIPELINE_ABSENCE_H
#define MTF_PIPELINE_ABSENCE_H

#include "base/compat.h"
#include "pipeline/match_field.h"

/* IS NULL */
extern MtfVerdict mtf_match_write_absent(const MtfField *field, StringInfo out, const char *key);

/*
 * Anything but the literal, nulls and values that do not decode included; the literal must be one that
 * decodes.
 */
extern MtfVerdict mtf_match_write_other(const MtfField *field, const MtfLiteral *literal,
										StringInfo out, const char *key);

#endif /* MTF_PIPELINE_ABSENCE_H */
