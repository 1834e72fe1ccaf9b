/*
 * json_match.h
 *	  Conditions on jsonb columns in the match language: the superset forms.
 */
#ifndef MTF_PIPELINE_JSON_MATCH_H
#define MTF_PIPELINE_JSON_MATCH_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* The text of a member, or what it is cast to (JSON_TEXT); a member cast itself (JSON_VALUE). */
extern MtfVerdict mtf_json_write_member(const MtfExprContext *context, const MtfTerm *term,
										StringInfo out, const char *key);

/* field @> value, and field = value */
extern MtfVerdict mtf_json_write_contains(const MtfField *field, const MtfValue *value,
										  StringInfo out, const char *key);

/* field ? value, field ?| values, field ?& values */
extern MtfVerdict mtf_json_write_keys(const MtfField *field, const MtfValue *value, bool all,
									  StringInfo out, const char *key);

#endif /* MTF_PIPELINE_JSON_MATCH_H */
