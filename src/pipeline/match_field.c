/*
 * match_field.c
 *	  One field's conditions in the match language: the superset forms.
 *
 * Every condition written here holds for each document for which PostgreSQL's condition is true, and
 * for some others, which PostgreSQL drops again.  Conditions stay on the plain path, so that an index
 * on (tenant, field) serves them.
 *
 * What must not happen here: an ERROR, a lost row, `$not` or `$nor` around a comparison (unknown would
 * become true).
 */
#include "pipeline/match_field.h"

#include <math.h>

#include "utils/float.h"

#include "base/integer_range.h"
#include "pipeline/absence.h"
#include "pipeline/operand.h"
#include "plan/lowering.h"

/* --- forms ----------------------------------------------------------------------------------- */

/* {path: {op: literal}} */
MtfVerdict
mtf_match_write_op(StringInfo out, const char *key, const char *path, const char *op,
				   const MtfLiteral *literal)
{
	MtfNest condition = mtf_nest_begin(out, key, path);

	mtf_write_literal(out, op, literal);
	mtf_nest_end(out, condition);
	return MTF_SOME;
}

/* {path: {op: [literals…]}}, for $in and $nin */
MtfVerdict
mtf_match_write_list(StringInfo out, const char *key, const char *path, const char *op,
					 const MtfLiteral *literals, int n)
{
	MtfNest condition = mtf_nest_begin(out, key, path);
	MtfMark list = mtf_write_begin_array(out, op);

	for (int i = 0; i < n; i++)
		mtf_write_literal(out, mtf_array_key(i), &literals[i]);
	mtf_write_end(out, list);
	mtf_nest_end(out, condition);
	return MTF_SOME;
}

/* {path: {$type: types}}; `types` are words, NULL at the end. */
MtfVerdict
mtf_match_write_type(StringInfo out, const char *key, const char *path, const char *const *types)
{
	MtfNest condition = mtf_nest_begin(out, key, path);

	mtf_write_words(out, "$type", types);
	mtf_nest_end(out, condition);
	return MTF_SOME;
}

/* {path: {$exists: true}} */
MtfVerdict
mtf_match_write_exists(StringInfo out, const char *key, const char *path)
{
	MtfLiteral yes = mtf_literal_bool(true);

	return mtf_match_write_op(out, key, path, "$exists", &yes);
}

/* A range; a bound without operator is open. */
typedef struct Range
{
	const char *low_op;
	MtfLiteral low;
	const char *high_op;
	MtfLiteral high;
	bool nan; /* PostgreSQL's NaN is above everything, a find range never matches it */
} Range;

static void
write_bounds(StringInfo out, const char *key, const char *path, const Range *range)
{
	MtfNest condition = mtf_nest_begin(out, key, path);

	if (range->low_op != NULL)
		mtf_write_literal(out, range->low_op, &range->low);
	if (range->high_op != NULL)
		mtf_write_literal(out, range->high_op, &range->high);
	mtf_nest_end(out, condition);
}

static MtfVerdict
write_nan(StringInfo out, const char *key, const char *path)
{
	MtfLiteral nans[2] = {mtf_literal_double(get_float8_nan()), mtf_literal_decimal_nan()};

	return mtf_match_write_list(out, key, path, "$in", nans, 2);
}

static MtfVerdict
write_range(StringInfo out, const char *key, const char *path, const Range *range)
{
	MtfMark condition;
	MtfMark either;

	if (!range->nan)
	{
		write_bounds(out, key, path, range);
		return MTF_SOME;
	}
	condition = mtf_write_begin(out, key);
	either = mtf_write_begin_array(out, "$or");
	write_bounds(out, "0", path, range);
	write_nan(out, "1", path);
	mtf_write_end(out, either);
	mtf_write_end(out, condition);
	return MTF_SOME;
}

/* --- presence and absence -------------------------------------------------------------------- */

/* The BSON types of which values may decode (rows/value.h). */
const char *const *
mtf_decodable_types(const MtfField *field)
{
	static const char *const booleans[] = {"bool", NULL};
	static const char *const numbers[] = {"int", "long", "double", "decimal", NULL};
	static const char *const strings[] = {"string", NULL};
	static const char *const strings_or_ids[] = {"string", "objectId", NULL};
	static const char *const ids[] = {"objectId", NULL};
	static const char *const dates[] = {"date", NULL};
	static const char *const binaries[] = {"binData", NULL};
	static const char *const arrays[] = {"array", NULL};

	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_BOOL: return booleans;
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8:
		case MTF_KIND_FLOAT4:
		case MTF_KIND_FLOAT8:
		case MTF_KIND_NUMERIC: return numbers;
		case MTF_KIND_TEXT:
		case MTF_KIND_BPCHAR: return field->any_id ? strings_or_ids : strings;
		case MTF_KIND_OBJECTID: return ids;
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: return dates;
		case MTF_KIND_UUID:
		case MTF_KIND_BYTEA: return binaries;
		case MTF_KIND_ARRAY: return arrays;
		case MTF_KIND_JSONB: break;
	}
	return NULL;
}

/*
 * IS NOT NULL.  Not `{$ne: null}` where arrays or documents decode: [1, null] is a value, and `$ne`
 * looks inside it.
 */
MtfVerdict
mtf_match_write_present(const MtfField *field, StringInfo out, const char *key)
{
	MtfLiteral null = mtf_literal_null();

	if (field->kind == MTF_KIND_JSONB)
		return mtf_match_write_exists(out, key, field->path);
	if (field->kind == MTF_KIND_ARRAY || field->null_mismatch)
		return mtf_match_write_type(out, key, field->path, mtf_decodable_types(field));
	/* `list.1` is looked for in the documents of the list as well, where it is missing. */
	if (mtf_path_has_position(field->path))
		return mtf_match_write_exists(out, key, field->path);
	return mtf_match_write_op(out, key, field->path, "$ne", &null);
}

/* --- boolean columns --------------------------------------------------------------------------- */

MtfVerdict
mtf_match_write_truth(const MtfField *field, MtfOp op, StringInfo out, const char *key)
{
	MtfLiteral literal = mtf_literal_bool(op == MTF_OP_IS_TRUE || op == MTF_OP_IS_NOT_TRUE);

	if (op == MTF_OP_IS_TRUE || op == MTF_OP_IS_FALSE)
		return mtf_match_write_op(out, key, field->path, "$eq", &literal);
	return mtf_match_write_other(field, &literal, out, key);
}

/* --- numbers ----------------------------------------------------------------------------------- */

/*
 * The doubles between which everything lies that decodes to a value equal to `c`.  A float8 takes
 * int64 and Decimal128 rounded to it: one unit in the last place.  A float4 takes doubles rounded to
 * a float.  A numeric constant was rounded to `c` itself, and a double decodes to a numeric by its
 * shortest text: two units.
 */
static void
neighbours(const MtfField *field, const MtfValue *value, double c, double *below, double *above)
{
	if (field->kind == MTF_KIND_FLOAT4)
	{
		float narrow = (float) c;

		*below = nextafterf(narrow, -INFINITY);
		*above = nextafterf(narrow, INFINITY);
		return;
	}
	*below = nextafter(c, -INFINITY);
	*above = nextafter(c, INFINITY);
	if (value->typid == NUMERICOID || field->kind == MTF_KIND_NUMERIC)
	{
		*below = nextafter(*below, -INFINITY);
		*above = nextafter(*above, INFINITY);
	}
}

static MtfVerdict
write_nan_comparison(const MtfField *field, MtfOp op, StringInfo out, const char *key)
{
	/* No integer is NaN; what is below NaN is every number. */
	switch (op)
	{
		case MTF_OP_GT: return MTF_NEVER;
		case MTF_OP_EQ:
		case MTF_OP_GE:
			return mtf_is_integer_kind(field) ? MTF_NEVER : write_nan(out, key, field->path);
		default: return mtf_match_write_present(field, out, key);
	}
}

static MtfVerdict
write_float_range(const MtfField *field, MtfOp op, const MtfValue *value, StringInfo out,
				  const char *key)
{
	double c = mtf_value_as_double(value);
	/* A double on a float8 column: strict comparisons need no widening (rounding keeps order). */
	bool plain = field->kind != MTF_KIND_FLOAT4 && field->kind != MTF_KIND_NUMERIC &&
				 value->typid != NUMERICOID && !isinf(c);
	double below;
	double above;
	Range range = {NULL};

	if (isnan(c))
		return write_nan_comparison(field, op, out, key);
	neighbours(field, value, c, &below, &above);
	if (op == MTF_OP_EQ || op == MTF_OP_GT || op == MTF_OP_GE)
	{
		bool strict = op == MTF_OP_GT && plain;

		range.low_op = strict ? "$gt" : "$gte";
		range.low = mtf_literal_double(strict ? c : below);
		range.nan = op != MTF_OP_EQ && !mtf_is_integer_kind(field);
	}
	if (op == MTF_OP_EQ || op == MTF_OP_LT || op == MTF_OP_LE)
	{
		bool strict = op == MTF_OP_LT && plain;

		range.high_op = strict ? "$lt" : "$lte";
		range.high = mtf_literal_double(strict ? c : above);
	}
	return write_range(out, key, field->path, &range);
}

/* --- dates ------------------------------------------------------------------------------------- */

/* An infinity lies outside every document's dates. */
static MtfVerdict
write_infinite_date(const MtfField *field, MtfOp op, MtfInstantKind kind, StringInfo out,
					const char *key)
{
	bool below = kind == MTF_INSTANT_AFTER_ALL && (op == MTF_OP_LT || op == MTF_OP_LE);
	bool above = kind == MTF_INSTANT_BEFORE_ALL && (op == MTF_OP_GT || op == MTF_OP_GE);

	if (below || above || op == MTF_OP_NE)
		return mtf_match_write_present(field, out, key);
	return MTF_NEVER;
}

static MtfVerdict
write_date(const MtfField *field, MtfOp op, const MtfValue *value, StringInfo out, const char *key)
{
	MtfInstant instant = mtf_value_as_instant(value, field->kind == MTF_KIND_TIMESTAMPTZ);
	MtfDateBound low;
	MtfDateBound high;
	Range range;
	MtfMoment moment;

	if (instant.kind != MTF_INSTANT_FINITE)
		return write_infinite_date(field, op, instant.kind, out, key);
	moment = mtf_moment_of(field, &instant);
	switch (op)
	{
		case MTF_OP_LT:
		case MTF_OP_LE:
		case MTF_OP_GT:
		case MTF_OP_GE:
			low = mtf_moment_bound(&moment, op);
			return mtf_match_write_op(out, key, field->path, low.op, &low.date);
		case MTF_OP_EQ:
			if (!moment.exists)
				return MTF_NEVER;
			low = mtf_moment_bound(&moment, MTF_OP_GE);
			high = mtf_moment_bound(&moment, MTF_OP_LE);
			range = (Range){low.op, low.date, high.op, high.date};
			return write_range(out, key, field->path, &range);
		default: return mtf_match_write_present(field, out, key);
	}
}

MtfVerdict
mtf_match_write_equal(const MtfField *field, StringInfo out, const char *key,
					  const MtfLiteral *literals, int n)
{
	if (n == 0)
		return MTF_NEVER;
	if (n == 1)
		return mtf_match_write_op(out, key, field->path, "$eq", literals);
	return mtf_match_write_list(out, key, field->path, "$in", literals, n);
}

/* Neither one of the literals nor null; `literals` has room for one more. */
MtfVerdict
mtf_match_write_unequal(const MtfField *field, StringInfo out, const char *key,
						MtfLiteral *literals, int n)
{
	if (n == 0 || mtf_path_has_position(field->path))
		return mtf_match_write_present(field, out, key);
	literals[n++] = mtf_literal_null();
	return mtf_match_write_list(out, key, field->path, "$nin", literals, n);
}

/* --- comparisons --------------------------------------------------------------------------------- */

/* Order of text: also ObjectIds, whose hexadecimal text sorts as their bytes do. */
static MtfVerdict
write_text_range(const MtfField *field, MtfOp op, const MtfLiteral *literal, StringInfo out,
				 const char *key)
{
	static const char *const ids[] = {"objectId", NULL};
	MtfLiteral id;
	MtfMark condition;
	MtfMark either;

	if (field->kind == MTF_KIND_OBJECTID)
	{
		if (mtf_literal_objectid(literal->data, literal->len, &id))
			return mtf_match_write_op(out, key, field->path, mtf_op_word(op), &id);
		return mtf_match_write_present(field, out, key);
	}
	if (!field->any_id)
		return mtf_match_write_op(out, key, field->path, mtf_op_word(op), literal);
	condition = mtf_write_begin(out, key);
	either = mtf_write_begin_array(out, "$or");
	mtf_match_write_op(out, "0", field->path, mtf_op_word(op), literal);
	mtf_match_write_type(out, "1", field->path, ids);
	mtf_write_end(out, either);
	mtf_write_end(out, condition);
	return MTF_SOME;
}

static MtfVerdict
write_order(const MtfField *field, MtfOp op, const MtfValue *value, StringInfo out, const char *key)
{
	MtfLiteral literal;

	if (mtf_is_date_kind(field))
		return write_date(field, op, value, out, key);
	if (mtf_is_number_kind(field) &&
		!(mtf_is_integer_kind(field) && mtf_value_is_plain_integer(value)))
		return write_float_range(field, op, value, out, key);
	if (field->kind == MTF_KIND_BOOL || field->kind == MTF_KIND_BYTEA ||
		!mtf_literal_of(value, &literal))
		return mtf_match_write_present(field, out, key);
	if (field->kind == MTF_KIND_TEXT || field->kind == MTF_KIND_OBJECTID)
		return write_text_range(field, op, &literal, out, key);
	return mtf_match_write_op(out, key, field->path, mtf_op_word(op), &literal);
}

static MtfVerdict
write_not_equal(const MtfField *field, const MtfValue *value, StringInfo out, const char *key)
{
	MtfLiteral literals[3];
	int n = mtf_equal_literals(field, value, literals);

	/* A double on a float8 column: what is equal remotely is equal here. */
	if (n == MTF_NOT_BY_LITERALS && field->kind == MTF_KIND_FLOAT8 && value->typid == FLOAT8OID &&
		!isnan(DatumGetFloat8(value->datum)))
	{
		literals[0] = mtf_literal_double(DatumGetFloat8(value->datum));
		n = 1;
	}
	if (n == MTF_NOT_BY_LITERALS)
		return mtf_match_write_present(field, out, key);
	return mtf_match_write_unequal(field, out, key, literals, n);
}

/* Does a document's value that equals the literal always decode to a value equal to it? */
static bool
literal_decodes(const MtfField *field, const MtfLiteral *literal)
{
	int64 integer = literal->value.integer;

	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_BOOL:
		case MTF_KIND_INT8:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ: return true;
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
			return integer >= mtf_integer_least(mtf_field_integer_type(field)) &&
				   integer <= mtf_integer_greatest(mtf_field_integer_type(field));
		case MTF_KIND_TEXT:
		case MTF_KIND_OBJECTID: return field->typmod < 0;
		default: return false;
	}
}

/* IS DISTINCT FROM a value that is not NULL: `<>`, nulls, and what does not decode. */
static MtfVerdict
write_distinct(const MtfField *field, const MtfValue *value, StringInfo out, const char *key)
{
	MtfLiteral literals[2];

	if (mtf_equal_literals(field, value, literals) != 1 ||
		!(field->trust || literal_decodes(field, &literals[0])))
		return MTF_ALWAYS;
	return mtf_match_write_other(field, &literals[0], out, key);
}

MtfVerdict
mtf_match_write_comparison(const MtfField *field, MtfOp op, const MtfValue *value, StringInfo out,
						   const char *key)
{
	MtfLiteral literals[2];
	int n;

	if (op == MTF_OP_DISTINCT)
		return value->isnull ? mtf_match_write_present(field, out, key)
							 : write_distinct(field, value, out, key);
	if (op == MTF_OP_NOT_DISTINCT)
	{
		if (value->isnull)
			return mtf_match_write_absent(field, out, key);
		op = MTF_OP_EQ;
	}
	if (value->isnull)
		return MTF_NEVER;
	if (op == MTF_OP_NE)
		return write_not_equal(field, value, out, key);
	if (op == MTF_OP_EQ && (n = mtf_equal_literals(field, value, literals)) != MTF_NOT_BY_LITERALS)
		return mtf_match_write_equal(field, out, key, literals, n);
	return write_order(field, op, value, out, key);
}
