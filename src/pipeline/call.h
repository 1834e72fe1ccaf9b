/*
 * call.h
 *	  Writing {operator: [arguments…]}: the building blocks of aggregation expressions.
 *
 * A reference is a path with its dollar ("$total", "$$v"), made by us; a user's value is written
 * quoted, so that it is never read as an expression.
 */
#ifndef MTF_PIPELINE_CALL_H
#define MTF_PIPELINE_CALL_H

#include "base/compat.h"
#include "pipeline/literal.h"
#include "pipeline/writer.h"

/* {op: [arguments…]} being written */
typedef struct MtfCall
{
	MtfMark document;
	MtfMark list;
	int n;
} MtfCall;

extern MtfCall mtf_call_begin(StringInfo out, const char *key, const char *op);

extern const char *mtf_call_next(MtfCall *call);

extern void mtf_call_end(StringInfo out, const MtfCall *call);

/* {$let: {vars: {…}, in: …}} being written */
typedef struct MtfLet
{
	MtfMark document;
	MtfMark let;
	MtfMark vars;
} MtfLet;

/* What is written next is a variable. */
extern MtfLet mtf_let_begin(StringInfo out, const char *key);

/* The variables end here; the key of the expression that uses them. */
extern const char *mtf_let_in(StringInfo out, const MtfLet *let);

extern void mtf_let_end(StringInfo out, const MtfLet *let);

/* {op: [x, y]} of a reference and a literal of our own (not a user's value) */
extern void mtf_call_write_pair(StringInfo out, const char *key, const char *op,
								const char *reference, const MtfLiteral *literal);

/* {op: [x, y]} of two references */
extern void mtf_call_write_references(StringInfo out, const char *key, const char *op,
									  const char *x, const char *y);

/* {$literal: value} */
extern void mtf_write_quoted(StringInfo out, const char *key, const MtfLiteral *literal);

/* {op: [reference, {$literal: value}]} */
extern void mtf_call_write_comparison(StringInfo out, const char *key, const char *op,
									  const char *reference, const MtfLiteral *literal);

/* {$gt: [reference, null]}: neither null nor missing ($ne would let missing through). */
extern void mtf_call_write_not_null(StringInfo out, const char *key, const char *reference);

/* {op: reference} */
extern void mtf_call_write_unary(StringInfo out, const char *key, const char *op,
								 const char *reference);

/* {$in: [{$type: reference}, [types…]]} */
extern void mtf_call_write_type_in(StringInfo out, const char *key, const char *reference,
								   const char *const *types);

/* {op: [{operator: reference}, literal]}, the literal our own */
extern void mtf_call_write_of(StringInfo out, const char *key, const char *op, const char *operator,
							  const char * reference, const MtfLiteral *literal);

/* {$in: [reference, [literals…]]}, the literals our own */
extern void mtf_call_write_among(StringInfo out, const char *key, const char *reference,
								 const MtfLiteral *literals, int n);

extern void mtf_call_write_is_nan(StringInfo out, const char *key, const char *reference);

#endif /* MTF_PIPELINE_CALL_H */
