/*
 * text_value.c
 *	  Parts of texts, and their length → aggregation expressions.
 *
 * Characters are code points of UTF-8, here and there.
 *
 * What must not happen here: an operator that is given anything but a string (the server may evaluate it
 * on another tenant's document).
 */
#include "pipeline/text_value.h"

#include "pipeline/call.h"
#include "pipeline/value.h"

#define V "$$v"

static void
write_substring(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	MtfCall call = mtf_call_begin(out, key, "$substrCP");

	mtf_write_word(out, mtf_call_next(&call), V);
	mtf_value_write(context, lsecond(term->args), out, mtf_call_next(&call));
	mtf_value_write(context, lthird(term->args), out, mtf_call_next(&call));
	mtf_call_end(out, &call);
}

void
mtf_text_write(const MtfExprContext *context, const MtfTerm *term, StringInfo out, const char *key)
{
	static const char *const strings[] = {"string", NULL};
	MtfLet let = mtf_let_begin(out, key);
	MtfCall cond;

	mtf_value_write(context, linitial(term->args), out, "v");
	cond = mtf_call_begin(out, mtf_let_in(out, &let), "$cond");
	mtf_call_write_type_in(out, mtf_call_next(&cond), V, strings);
	if (term->function == MTF_FUNCTION_LENGTH)
		mtf_call_write_unary(out, mtf_call_next(&cond), "$strLenCP", V);
	else
		write_substring(context, term, out, mtf_call_next(&cond));
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
	mtf_let_end(out, &let);
}
