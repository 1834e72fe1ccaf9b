/*
 * field_value.c
 *	  A field's value in aggregation expressions, in one BSON type.
 *
 * Expressions see BSON values of any type, arrays and missing fields, without type bracketing.  So a
 * field is never used bare: it stands behind a test of what decodes (rows/value.h has the rules),
 * becomes null otherwise, and is brought to one BSON type.
 *
 * What must not happen here: an expression that can fail on any document (the server may evaluate it
 * on another tenant's).
 */
#include "pipeline/field_value.h"

#include "pipeline/believed.h"
#include "pipeline/call.h"
#include "pipeline/canonical.h"
#include "pipeline/field_decimal.h"
#include "pipeline/field_known.h"
#include "pipeline/operand.h"

bool
mtf_field_is_believed(const MtfExprContext *context, const MtfField *field)
{
	return context->believed != NIL && list_member(context->believed, field);
}

bool
mtf_field_is_canonical(const MtfExprContext *context, const MtfField *field)
{
	return context->canonical != NULL && mtf_canonical_find(context->canonical, field) >= 0 &&
		   !mtf_field_is_believed(context, field);
}

bool
mtf_field_is_counted(const MtfExprContext *context, const MtfField *field)
{
	return list_member(context->counted, field) || mtf_field_is_believed(context, field);
}

static char *
reference_in_document(const MtfExprContext *context, const MtfField *field)
{
	if (context->aliases == NULL)
		return psprintf("$%s", field->path);
	return psprintf("$%s.%s", context->aliases[field->rel], field->path);
}

char *
mtf_field_reference(const MtfExprContext *context, const MtfField *field)
{
	if (mtf_field_is_canonical(context, field))
		return psprintf("$%s", mtf_canonical_name(context->canonical, field));
	return reference_in_document(context, field);
}

void
mtf_field_write_known(const MtfExprContext *context, const MtfField *field, StringInfo out,
					  const char *key)
{
	/* Numbers whose exact value is not known are known, too. */
	if (field->loose)
		mtf_known_write(field, out, key, reference_in_document(context, field));
	else if (mtf_field_is_canonical(context, field))
		mtf_call_write_not_null(out, key, mtf_field_reference(context, field));
	else if (mtf_field_is_believed(context, field))
		mtf_believed_write_known(out, key, mtf_field_reference(context, field));
	else
		mtf_known_write(field, out, key, mtf_field_reference(context, field));
}

/* A whole number in range as int64.  One engine fails to convert the Decimal128 -2^63, and errors tell. */
static void
write_long(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral least = mtf_literal_int64(PG_INT64_MIN);
	MtfCall cond = mtf_call_begin(out, key, "$cond");

	mtf_call_write_pair(out, mtf_call_next(&cond), "$lte", reference, &least);
	mtf_write_literal(out, mtf_call_next(&cond), &least);
	mtf_call_write_unary(out, mtf_call_next(&cond), "$toLong", reference);
	mtf_call_end(out, &cond);
}

/* The value in one BSON type, given that it decodes. */
void
mtf_field_write_canonical(const MtfField *field, StringInfo out, const char *key,
						  const char *reference)
{
	if (field->kind == MTF_KIND_OBJECTID || field->any_id)
		mtf_call_write_unary(out, key, "$toString", reference);
	else if (field->trust)
		mtf_write_word(out, key, reference);
	else if (field->kind == MTF_KIND_INT8)
		write_long(out, key, reference);
	else if (mtf_is_integer_kind(field))
		mtf_call_write_unary(out, key, "$toLong", reference);
	else if (field->kind == MTF_KIND_FLOAT8 || field->kind == MTF_KIND_FLOAT4)
		mtf_call_write_unary(out, key, "$toDouble", reference);
	else if (field->kind == MTF_KIND_NUMERIC)
		mtf_decimal_write_canonical(field, out, key, reference);
	else
		mtf_write_word(out, key, reference);
}

/* {$mod: [{$toLong: reference}, a day]} */
static void
write_time_of_day(StringInfo out, const char *key, const char *reference, const MtfLiteral *day)
{
	mtf_call_write_of(out, key, "$mod", "$toLong", reference, day);
}

/* Midnight (UTC) of a date: its milliseconds less those of the day, which $mod counts back before 1970. */
static void
write_midnight(StringInfo out, const char *key, const char *reference)
{
	MtfLiteral day = mtf_literal_int64(INT64CONST(86400000));
	MtfLiteral zero = mtf_literal_int64(0);
	MtfMark date = mtf_write_begin(out, key);
	MtfCall subtract = mtf_call_begin(out, "$toDate", "$subtract");
	MtfCall cond;
	MtfCall less;
	MtfCall add;

	mtf_call_write_unary(out, mtf_call_next(&subtract), "$toLong", reference);
	cond = mtf_call_begin(out, mtf_call_next(&subtract), "$cond");
	less = mtf_call_begin(out, mtf_call_next(&cond), "$lt");
	write_time_of_day(out, mtf_call_next(&less), reference, &day);
	mtf_write_literal(out, mtf_call_next(&less), &zero);
	mtf_call_end(out, &less);
	add = mtf_call_begin(out, mtf_call_next(&cond), "$add");
	write_time_of_day(out, mtf_call_next(&add), reference, &day);
	mtf_write_literal(out, mtf_call_next(&add), &day);
	mtf_call_end(out, &add);
	write_time_of_day(out, mtf_call_next(&cond), reference, &day);
	mtf_call_end(out, &cond);
	mtf_call_end(out, &subtract);
	mtf_write_end(out, date);
}

void
mtf_field_write_day(const MtfExprContext *context, const MtfField *field, StringInfo out,
					const char *key)
{
	char *reference = mtf_field_reference(context, field);
	MtfCall cond = mtf_call_begin(out, key, "$cond");

	/* A promise is no test, and midnight of no date, or of a far one, fails. */
	if (field->trust)
		mtf_known_write_date(field, out, mtf_call_next(&cond), reference);
	else
		mtf_field_write_known(context, field, out, mtf_call_next(&cond));
	write_midnight(out, mtf_call_next(&cond), reference);
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

void
mtf_field_write_value(const MtfExprContext *context, const MtfField *field, StringInfo out,
					  const char *key)
{
	char *reference = mtf_field_reference(context, field);
	MtfCall cond;

	if (mtf_field_is_canonical(context, field))
	{
		mtf_write_word(out, key, reference);
		return;
	}
	if (mtf_field_is_believed(context, field))
	{
		mtf_believed_write_value(out, key, reference);
		return;
	}
	if (field->loose)
	{
		mtf_decimal_write_loose(out, key, reference);
		return;
	}
	/* All that can be wrong is that it is missing. */
	if (mtf_known_is_trusted(field))
	{
		cond = mtf_call_begin(out, key, "$ifNull");
		mtf_field_write_canonical(field, out, mtf_call_next(&cond), reference);
		mtf_write_null(out, mtf_call_next(&cond));
		mtf_call_end(out, &cond);
		return;
	}
	if (field->kind == MTF_KIND_NUMERIC)
	{
		mtf_decimal_write_value(field, out, key, reference);
		return;
	}
	cond = mtf_call_begin(out, key, "$cond");
	mtf_known_write(field, out, mtf_call_next(&cond), reference);
	mtf_field_write_canonical(field, out, mtf_call_next(&cond), reference);
	mtf_write_null(out, mtf_call_next(&cond));
	mtf_call_end(out, &cond);
}

bool
mtf_field_has_nan(const MtfField *field)
{
	return field->kind == MTF_KIND_FLOAT8 || field->kind == MTF_KIND_NUMERIC;
}

void
mtf_field_write_rank(const MtfExprContext *context, const MtfField *field, int rank_of_null,
					 int rank_of_nan, int rank_of_others, StringInfo out, const char *key)
{
	char *reference = mtf_field_reference(context, field);
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall nan;

	mtf_known_write(field, out, mtf_call_next(&cond), reference);
	if (mtf_field_has_nan(field))
	{
		nan = mtf_call_begin(out, mtf_call_next(&cond), "$cond");
		mtf_call_write_is_nan(out, mtf_call_next(&nan), reference);
		mtf_write_int(out, mtf_call_next(&nan), rank_of_nan);
		mtf_write_int(out, mtf_call_next(&nan), rank_of_others);
		mtf_call_end(out, &nan);
	}
	else
		mtf_write_int(out, mtf_call_next(&cond), rank_of_others);
	mtf_write_int(out, mtf_call_next(&cond), rank_of_null);
	mtf_call_end(out, &cond);
}

/*
 * The path's own value may be absent; on the way anything but an array leads to it or to NULL
 * (decode.c).  Most often there is a value, and the first comparison says so.
 */
static void
write_absent(const MtfExprContext *context, const MtfField *field, StringInfo out, const char *key)
{
	static const char *const absent[] = {"missing", "null", "undefined", NULL};
	char *reference = reference_in_document(context, field);
	size_t start = strlen(reference) - strlen(field->path);
	MtfCall cond = mtf_call_begin(out, key, "$cond");
	MtfCall all;

	mtf_call_write_not_null(out, mtf_call_next(&cond), reference);
	mtf_write_bool(out, mtf_call_next(&cond), false);
	all = mtf_call_begin(out, mtf_call_next(&cond), "$and");
	for (char *dot = strchr(reference + start, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
	{
		MtfCall no_array = mtf_call_begin(out, mtf_call_next(&all), "$ne");

		mtf_call_write_unary(out, mtf_call_next(&no_array), "$type",
							 pnstrdup(reference, dot - reference));
		mtf_write_word(out, mtf_call_next(&no_array), "array");
		mtf_call_end(out, &no_array);
	}
	mtf_call_write_type_in(out, mtf_call_next(&all), reference, absent);
	mtf_call_end(out, &all);
	mtf_call_end(out, &cond);
}

/* Through an array on the way no path leads to a value that decodes: an array comes of it. */
void
mtf_field_write_fits(const MtfExprContext *context, const MtfField *field, StringInfo out,
					 const char *key)
{
	MtfCall either = mtf_call_begin(out, key, "$or");

	mtf_field_write_known(context, field, out, mtf_call_next(&either));
	write_absent(context, field, out, mtf_call_next(&either));
	mtf_call_end(out, &either);
}
