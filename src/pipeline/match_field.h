/*
 * match_field.h
 *	  One field's conditions in the match language: the superset forms.
 *
 * Each writes one condition under `key`, or nothing and says so.
 */
#ifndef MTF_PIPELINE_MATCH_FIELD_H
#define MTF_PIPELINE_MATCH_FIELD_H

#include "base/compat.h"
#include "pipeline/expr.h"
#include "pipeline/literal.h"

/* {path: {op: literal}} */
extern MtfVerdict mtf_match_write_op(StringInfo out, const char *key, const char *path,
									 const char *op, const MtfLiteral *literal);

/* {path: {op: [literals…]}}, for $in and $nin */
extern MtfVerdict mtf_match_write_list(StringInfo out, const char *key, const char *path,
									   const char *op, const MtfLiteral *literals, int n);

/* {path: {$type: types}}; `types` are words, NULL at the end. */
extern MtfVerdict mtf_match_write_type(StringInfo out, const char *key, const char *path,
									   const char *const *types);

/* {path: {$exists: true}} */
extern MtfVerdict mtf_match_write_exists(StringInfo out, const char *key, const char *path);

/* IS NOT NULL */
extern MtfVerdict mtf_match_write_present(const MtfField *field, StringInfo out, const char *key);

/* The BSON types of which values may decode (rows/value.h); NULL: all of them. */
extern const char *const *mtf_decodable_types(const MtfField *field);

/* IS [NOT] TRUE, IS [NOT] FALSE */
extern MtfVerdict mtf_match_write_truth(const MtfField *field, MtfOp op, StringInfo out,
										const char *key);

/* Equal to one of the literals; unequal to all of them. */
extern MtfVerdict mtf_match_write_equal(const MtfField *field, StringInfo out, const char *key,
										const MtfLiteral *literals, int n);
extern MtfVerdict mtf_match_write_unequal(const MtfField *field, StringInfo out, const char *key,
										  MtfLiteral *literals, int n);

/* field op value */
extern MtfVerdict mtf_match_write_comparison(const MtfField *field, MtfOp op, const MtfValue *value,
											 StringInfo out, const char *key);

#endif /* MTF_PIPELINE_MATCH_FIELD_H */
