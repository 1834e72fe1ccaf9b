/*
 * text_value.h
 *	  Parts of texts, and their length → aggregation expressions.
 */
#ifndef MTF_TEXT_VALUE_H
#define MTF_TEXT_VALUE_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* SUBSTRING or LENGTH of a text; null of anything else. */
extern void mtf_text_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
						   const char *key);

#endif /* MTF_TEXT_VALUE_H */
