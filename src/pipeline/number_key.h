/*
 * number_key.h
 *	  What is the same for equal numbers and for no others.
 */
#ifndef MTF_NUMBER_KEY_H
#define MTF_NUMBER_KEY_H

#include "base/compat.h"
#include "pipeline/expr.h"

/* The term is a MTF_FUNCTION_NUMBER_KEY. */
extern void mtf_number_key_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
								 const char *key);

#endif /* MTF_NUMBER_KEY_H */
