/*
 * call.c
 *	  Writing {operator: [arguments…]}: the building blocks of aggregation expressions.
 */
#include "pipeline/call.h"

#include "utils/float.h"

MtfCall
mtf_call_begin(StringInfo out, const char *key, const char *op)
{
	MtfCall call = {0};

	call.document = mtf_write_begin(out, key);
	call.list = mtf_write_begin_array(out, op);
	return call;
}

const char *
mtf_call_next(MtfCall *call)
{
	return mtf_array_key(call->n++);
}

void
mtf_call_end(StringInfo out, const MtfCall *call)
{
	mtf_write_end(out, call->list);
	mtf_write_end(out, call->document);
}

MtfLet
mtf_let_begin(StringInfo out, const char *key)
{
	MtfLet let;

	let.document = mtf_write_begin(out, key);
	let.let = mtf_write_begin(out, "$let");
	let.vars = mtf_write_begin(out, "vars");
	return let;
}

const char *
mtf_let_in(StringInfo out, const MtfLet *let)
{
	mtf_write_end(out, let->vars);
	return "in";
}

void
mtf_let_end(StringInfo out, const MtfLet *let)
{
	mtf_write_end(out, let->let);
	mtf_write_end(out, let->document);
}

/* {op: [reference, …]}: begun */
static MtfCall
begin_with(StringInfo out, const char *key, const char *op, const char *reference)
{
	MtfCall call = mtf_call_begin(out, key, op);

	mtf_write_word(out, mtf_call_next(&call), reference);
	return call;
}

void
mtf_call_write_pair(StringInfo out, const char *key, const char *op, const char *reference,
					const MtfLiteral *literal)
{
	MtfCall call = begin_with(out, key, op, reference);

	mtf_write_literal(out, mtf_call_next(&call), literal);
	mtf_call_end(out, &call);
}

void
mtf_call_write_references(StringInfo out, const char *key, const char *op, const char *x,
						  const char *y)
{
	MtfCall call = begin_with(out, key, op, x);

	mtf_write_word(out, mtf_call_next(&call), y);
	mtf_call_end(out, &call);
}

void
mtf_write_quoted(StringInfo out, const char *key, const MtfLiteral *literal)
{
	MtfMark quoted = mtf_write_begin(out, key);

	mtf_write_literal(out, "$literal", literal);
	mtf_write_end(out, quoted);
}

void
mtf_call_write_comparison(StringInfo out, const char *key, const char *op, const char *reference,
						  const MtfLiteral *literal)
{
	MtfCall call = begin_with(out, key, op, reference);

	mtf_write_quoted(out, mtf_call_next(&call), literal);
	mtf_call_end(out, &call);
}

void
mtf_call_write_not_null(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral null = mtf_literal_null();

	mtf_call_write_pair(out, key, "$gt", reference, &null);
}

void
mtf_call_write_unary(StringInfo out, const char *key, const char *op, const char *reference)
{
	MtfMark call = mtf_write_begin(out, key);

	mtf_write_word(out, op, reference);
	mtf_write_end(out, call);
}

void
mtf_call_write_type_in(StringInfo out, const char *key, const char *reference,
					   const char *const *types)
{
	MtfCall call = mtf_call_begin(out, key, "$in");

	mtf_call_write_unary(out, mtf_call_next(&call), "$type", reference);
	mtf_write_words(out, mtf_call_next(&call), types);
	mtf_call_end(out, &call);
}

void
mtf_call_write_of(StringInfo out, const char *key, const char *op, const char *operator,
				  const char * reference, const MtfLiteral *literal)
{
	MtfCall call = mtf_call_begin(out, key, op);

	mtf_call_write_unary(out, mtf_call_next(&call), operator, reference);
	mtf_write_literal(out, mtf_call_next(&call), literal);
	mtf_call_end(out, &call);
}

void
mtf_call_write_among(StringInfo out, const char *key, const char *reference,
					 const MtfLiteral *literals, int n)
{
	MtfCall in = begin_with(out, key, "$in", reference);
	MtfMark list = mtf_write_begin_array(out, mtf_call_next(&in));

	for (int i = 0; i < n; i++)
		mtf_write_literal(out, mtf_array_key(i), &literals[i]);
	mtf_write_end(out, list);
	mtf_call_end(out, &in);
}

void
mtf_call_write_is_nan(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral nans[2] = {mtf_literal_double(get_float8_nan()), mtf_literal_decimal_nan()};

	mtf_call_write_among(out, key, reference, nans, 2);
}
