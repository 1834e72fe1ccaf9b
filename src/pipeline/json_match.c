/*
 * json_match.c
 *	  MtfCombination on jsonb columns in the match language: the superset forms.
 *
 * jsonb is made of BSON (rows/jsonb.c), and more than one BSON value may show as the same text or the same
 * JSON: a number as a string of digits, an ObjectId as its hexadecimal text.  So a condition is asked of
 * the type that says it best, and every document with another type there that may be meant comes along.
 * What a cast refuses is an error here: those come along too, so that pushdown hides none.
 *
 * What must not happen here: a key that the server reads as something else than a name.
 */
#include "pipeline/json_match.h"

#include <float.h>
#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/jsonb.h"

#include "pipeline/combination.h"
#include "pipeline/literal.h"
#include "pipeline/match_field.h"
#include "pipeline/operand.h"

/* --- a member's text, and its casts ------------------------------------------------------------------ */

/* Every type but those; null (of which the text is NULL) only `with_null`. */
static void
write_other_types(MtfCombination *group, const char *path, const char *const *types, bool with_null)
{
	static const char *const all[] = {"double",  "string",    "object",     "array",
									  "binData", "objectId",  "bool",       "date",
									  "regex",   "dbPointer", "javascript", "symbol",
									  "int",     "timestamp", "long",       "javascriptWithScope",
									  "decimal", "minKey",    "maxKey",     "undefined",
									  "null"};
	const char *others[lengthof(all) + 1];
	int n = 0;

	for (int i = 0; i < lengthof(all) - (with_null ? 0 : 2); i++)
	{
		bool is_listed = false;

		for (int j = 0; types[j] != NULL; j++)
			is_listed |= strcmp(types[j], all[i]) == 0;
		if (!is_listed)
			others[n++] = all[i];
	}
	others[n] = NULL;
	mtf_match_write_type(group->out, mtf_combination_next(group), path, others);
}

static void
write_bound(MtfCombination *group, const char *path, const char *op, MtfLiteral literal)
{
	mtf_match_write_op(group->out, mtf_combination_next(group), path, op, &literal);
}

/* NaN and the infinities: JSON has no such numbers, and shows them as text. */
static void
write_specials(MtfCombination *group, const char *path)
{
	MtfLiteral specials[6] = {
		mtf_literal_double(get_float8_nan()),      mtf_literal_decimal_nan(),
		mtf_literal_double(get_float8_infinity()), mtf_literal_double(-get_float8_infinity()),
		mtf_literal_decimal("Infinity"),           mtf_literal_decimal("-Infinity")};

	mtf_match_write_list(group->out, mtf_combination_next(group), path, "$in", specials,
						 lengthof(specials));
}

/* The whole numbers that do not fit the type: an error here. */
static void
write_out_of_range(MtfCombination *group, const MtfField *field)
{
	if (field->kind == MTF_KIND_INT8)
		return;
	write_bound(group, field->path, "$lt",
				mtf_literal_int64(field->kind == MTF_KIND_INT2 ? PG_INT16_MIN : PG_INT32_MIN));
	write_bound(group, field->path, "$gt",
				mtf_literal_int64(field->kind == MTF_KIND_INT2 ? PG_INT16_MAX : PG_INT32_MAX));
}

/* Numbers that are too great for a float4, or (with 0) too small: errors here. */
static void
write_out_of_float4(MtfCombination *group, const MtfField *field)
{
	MtfCombination small;

	if (field->kind != MTF_KIND_FLOAT4)
		return;
	write_bound(group, field->path, "$lt", mtf_literal_double(-FLT_MAX));
	write_bound(group, field->path, "$gt", mtf_literal_double(FLT_MAX));
	small = mtf_combination_begin(group->out, mtf_combination_next(group), false);
	write_bound(&small, field->path, "$gt", mtf_literal_double(-FLT_MIN));
	write_bound(&small, field->path, "$lt", mtf_literal_double(FLT_MIN));
	mtf_combination_end(&small);
}

/* What else may have the text that is asked for, or cannot be cast. */
static void
write_text_companions(MtfCombination *group, const MtfField *field)
{
	static const char *const strings[] = {"string", NULL};
	static const char *const integers[] = {"int", "long", NULL};
	static const char *const doubles[] = {"int", "long", "double", NULL};
	static const char *const numbers[] = {"int", "long", "double", "decimal", NULL};
	static const char *const booleans[] = {"bool", NULL};
	static const char *const dates[] = {"date", NULL};

	switch ((MtfKind) field->kind)
	{
		case MTF_KIND_INT2:
		case MTF_KIND_INT4:
		case MTF_KIND_INT8:
			write_out_of_range(group, field);
			write_other_types(group, field->path, integers, false);
			break;
		case MTF_KIND_FLOAT4:
		case MTF_KIND_FLOAT8:
			write_out_of_float4(group, field);
			write_specials(group, field->path);
			write_other_types(group, field->path, doubles, false);
			break;
		case MTF_KIND_NUMERIC:
			write_specials(group, field->path);
			write_other_types(group, field->path, numbers, false);
			break;
		case MTF_KIND_BOOL: write_other_types(group, field->path, booleans, false); break;
		case MTF_KIND_DATE:
		case MTF_KIND_TIMESTAMP:
		case MTF_KIND_TIMESTAMPTZ:
			/* Years that PostgreSQL's input does not read, or that it has not. */
			write_bound(group, field->path, "$lt", mtf_literal_date(MTF_FIRST_COMMON_MS));
			write_bound(group, field->path, "$gt", mtf_literal_date(MTF_LAST_COMMON_MS));
			write_other_types(group, field->path, dates, false);
			break;
		default: write_other_types(group, field->path, strings, false); break;
	}
}

/* A cast of jsonb itself: only numbers (booleans) are taken, null was not before PostgreSQL 18. */
static void
write_value_companions(MtfCombination *group, const MtfField *field)
{
	static const char *const numbers[] = {"int", "long", "double", "decimal", NULL};
	static const char *const doubles[] = {"int", "long", "double", NULL};
	static const char *const booleans[] = {"bool", NULL};

	if (field->kind == MTF_KIND_BOOL)
	{
		write_other_types(group, field->path, booleans, true);
		return;
	}
	if (mtf_is_integer_kind(field))
		write_out_of_range(group, field);
	write_out_of_float4(group, field);
	write_specials(group, field->path);
	write_other_types(
		group, field->path,
		field->kind == MTF_KIND_FLOAT8 || field->kind == MTF_KIND_FLOAT4 ? doubles : numbers, true);
}

/* An integer is rounded to: numbers up to one away from it. */
static MtfVerdict
write_rounded(const MtfField *field, MtfOp op, const MtfValue *value, StringInfo out,
			  const char *key)
{
	MtfField number = *field;
	MtfValue low = {FLOAT8OID, false, true, Float8GetDatum(mtf_value_as_double(value) - 1)};
	MtfValue high = {FLOAT8OID, false, true, Float8GetDatum(mtf_value_as_double(value) + 1)};
	MtfCombination both;

	number.kind = MTF_KIND_NUMERIC;
	switch (op)
	{
		case MTF_OP_EQ:
			both = mtf_combination_begin(out, key, false);
			mtf_match_write_comparison(&number, MTF_OP_GE, &low, out, mtf_combination_next(&both));
			mtf_match_write_comparison(&number, MTF_OP_LE, &high, out, mtf_combination_next(&both));
			return mtf_combination_end(&both);
		case MTF_OP_LT:
		case MTF_OP_LE: return mtf_match_write_comparison(&number, MTF_OP_LE, &high, out, key);
		case MTF_OP_GT:
		case MTF_OP_GE: return mtf_match_write_comparison(&number, MTF_OP_GE, &low, out, key);
		default: return mtf_match_write_exists(out, key, field->path);
	}
}

/*
 * The member is NULL: it is null or missing, which it is, too, where an array stands in its way (the
 * server would look inside), or a document where -> counts elements (the server would take a member of
 * that name).
 */
static MtfVerdict
write_absent(const char *path, StringInfo out, const char *key)
{
	static const char *const undefined[] = {"undefined", NULL};
	static const char *const arrays[] = {"array", NULL};
	static const char *const containers[] = {"array", "object", NULL};
	MtfLiteral null = mtf_literal_null();
	MtfCombination either = mtf_combination_begin(out, key, true);

	mtf_match_write_op(out, mtf_combination_next(&either), path, "$eq", &null);
	mtf_match_write_type(out, mtf_combination_next(&either), path, undefined);
	for (const char *dot = strchr(path, '.'); dot != NULL; dot = strchr(dot + 1, '.'))
		mtf_match_write_type(out, mtf_combination_next(&either), pnstrdup(path, dot - path),
							 isdigit((unsigned char) dot[1]) ? containers : arrays);
	return mtf_combination_end(&either);
}

/* The condition itself, of the values of the best type. */
static MtfVerdict
write_inner(const MtfExprContext *context, const MtfTerm *term, const MtfTerm *inner,
			StringInfo out, const char *key)
{
	const MtfValue *value = mtf_expr_value(context, inner);

	if (inner->kind == MTF_TERM_NULL)
		return write_absent(inner->field->path, out, key);
	if (term->kind != MTF_TERM_JSON_VALUE || !mtf_is_integer_kind(inner->field) || value == NULL ||
		!value->is_known || value->isnull)
		return mtf_match_write(context, inner, out, key);
	if (inner->kind == MTF_TERM_COMPARE)
		return write_rounded(inner->field, inner->op, value, out, key);
	return mtf_match_write_exists(out, key, inner->field->path);
}

MtfVerdict
mtf_json_write_member(const MtfExprContext *context, const MtfTerm *term, StringInfo out,
					  const char *key)
{
	const MtfTerm *inner = linitial(term->args);
	MtfCombination either = mtf_combination_begin(out, key, true);
	MtfVerdict verdict = write_inner(context, term, inner, out, mtf_combination_key(&either));

	mtf_combination_add(&either, verdict);
	/* What is no constant may be NULL, or refused: that is the cast's error, and still to be seen. */
	if (verdict == MTF_ALWAYS || (verdict == MTF_NEVER && inner->field->kind == MTF_KIND_TEXT))
		return mtf_combination_end(&either);
	/* Every other value has a text. */
	if (inner->kind == MTF_TERM_NULL &&
		(inner->field->kind == MTF_KIND_TEXT || inner->field->kind == MTF_KIND_JSONB))
		return mtf_combination_end(&either);
	if (term->kind == MTF_TERM_JSON_VALUE)
		write_value_companions(&either, inner->field);
	else
		write_text_companions(&either, inner->field);
	return mtf_combination_end(&either);
}

/* --- containment --------------------------------------------------------------------------------------- */

/* More says no more that is worth its bytes. */
#define MAX_LEAVES 100

/* A member of a document: NULL when its key is no name that a path can hold. */
static char *
path_of_member(const char *path, const JsonbValue *key)
{
	char *name = pnstrdup(key->val.string.val, key->val.string.len);

	if (name[0] == '\0' || name[0] == '$' || strchr(name, '.') != NULL)
		return NULL;
	return strcmp(path, MTF_WHOLE_DOCUMENT) == 0 ? name : psprintf("%s.%s", path, name);
}

static bool
is_special_number(const char *text, int len)
{
	return (len == 3 && memcmp(text, "NaN", 3) == 0) ||
		   (len == 8 && memcmp(text, "Infinity", 8) == 0) ||
		   (len == 9 && memcmp(text, "-Infinity", 9) == 0);
}

static MtfLiteral
text_literal(const JsonbValue *leaf, bool *is_text)
{
	text *string = cstring_to_text_with_len(leaf->val.string.val, leaf->val.string.len);
	MtfValue value = {TEXTOID, false, true, PointerGetDatum(string)};
	MtfLiteral literal = mtf_literal_null();

	*is_text = mtf_literal_of(&value, &literal);
	return literal;
}

/* The types whose values jsonb shows as strings. */
static const char *const shown_as_text[] = {"binData", "objectId", "date", "symbol", NULL};

static void
write_string_leaf(MtfCombination *all, const char *path, const JsonbValue *leaf)
{
	bool is_text;
	MtfLiteral literal = text_literal(leaf, &is_text);
	MtfCombination either = mtf_combination_begin(all->out, mtf_combination_next(all), true);

	if (is_text)
		mtf_match_write_op(all->out, mtf_combination_next(&either), path, "$eq", &literal);
	if (is_special_number(leaf->val.string.val, leaf->val.string.len))
		write_specials(&either, path);
	mtf_match_write_type(all->out, mtf_combination_next(&either), path, shown_as_text);
	mtf_combination_end(&either);
}

static void
write_null_leaf(MtfCombination *all, const char *path)
{
	static const char *const undefined[] = {"undefined", NULL};
	MtfLiteral null = mtf_literal_null();
	MtfCombination either = mtf_combination_begin(all->out, mtf_combination_next(all), true);

	mtf_match_write_op(all->out, mtf_combination_next(&either), path, "$eq", &null);
	mtf_match_write_type(all->out, mtf_combination_next(&either), path, undefined);
	mtf_combination_end(&either);
}

static void
write_leaf(MtfCombination *all, const char *path, const JsonbValue *leaf)
{
	MtfField field = {.path = unconstify(char *, path), .kind = MTF_KIND_NUMERIC, .typmod = -1};
	MtfLiteral literal;
	MtfValue number;

	switch (leaf->type)
	{
		case jbvString: write_string_leaf(all, path, leaf); break;
		case jbvNull: write_null_leaf(all, path); break;
		case jbvBool:
			literal = mtf_literal_bool(leaf->val.boolean);
			mtf_match_write_op(all->out, mtf_combination_next(all), path, "$eq", &literal);
			break;
		case jbvNumeric:
			number = (MtfValue){NUMERICOID, false, true, NumericGetDatum(leaf->val.numeric)};
			mtf_match_write_comparison(&field, MTF_OP_EQ, &number, all->out,
									   mtf_combination_next(all));
			break;
		default: break;
	}
}

static void write_container(MtfCombination *all, const char *path, JsonbContainer *container,
							bool in_array);

/*
 * An element of an array: a condition on the array's own path is one on its elements; an array inside
 * it is not looked into.
 */
static void
write_element(MtfCombination *all, const char *path, const JsonbValue *element)
{
	if (element->type != jbvBinary)
		write_leaf(all, path, element);
	else if (JsonContainerIsObject(element->val.binary.data))
		write_container(all, path, element->val.binary.data, true);
}

static void
write_pair(MtfCombination *all, const char *path, const JsonbValue *key, const JsonbValue *value)
{
	char *member = path_of_member(path, key);

	if (member == NULL)
		return;
	if (value->type == jbvBinary)
		write_container(all, member, value->val.binary.data, false);
	else
		write_leaf(all, member, value);
}

static void
write_container(MtfCombination *all, const char *path, JsonbContainer *container, bool in_array)
{
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonbValue value;
	JsonbValue key = {0};

	check_stack_depth();
	if (strcmp(path, MTF_WHOLE_DOCUMENT) != 0 && !in_array)
		mtf_match_write_exists(all->out, mtf_combination_next(all), path);
	(void) JsonbIteratorNext(&iterator, &value, true);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE && all->n < MAX_LEAVES)
	{
		if (token == WJB_KEY)
			key = value;
		else if (token == WJB_VALUE)
			write_pair(all, path, &key, &value);
		else if (token == WJB_ELEM)
			write_element(all, path, &value);
	}
}

MtfVerdict
mtf_json_write_contains(const MtfField *field, const MtfValue *value, StringInfo out,
						const char *key)
{
	Jsonb *json;
	MtfCombination all;

	if (value->isnull)
		return MTF_NEVER;
	json = DatumGetJsonbP(value->datum);
	/* A document holds neither a scalar nor an array. */
	if (strcmp(field->path, MTF_WHOLE_DOCUMENT) == 0 && !JB_ROOT_IS_OBJECT(json))
		return MTF_ALWAYS;
	all = mtf_combination_begin(out, key, false);
	write_container(&all, field->path, &json->root, false);
	return mtf_combination_end(&all);
}

/* --- keys ------------------------------------------------------------------------------------------------ */

/* field ? key: a member of a document, an element of an array, or the string itself. */
static MtfVerdict
write_key(const MtfField *field, const MtfValue *value, StringInfo out, const char *key)
{
	text *name = DatumGetTextPP(value->datum);
	JsonbValue string = {.type = jbvString};
	bool is_document = strcmp(field->path, MTF_WHOLE_DOCUMENT) == 0;
	MtfLiteral literal;
	bool is_text;
	MtfCombination either;
	char *path;

	string.val.string.val = VARDATA_ANY(name);
	string.val.string.len = VARSIZE_ANY_EXHDR(name);
	literal = text_literal(&string, &is_text);
	path = path_of_member(field->path, &string);
	if (path == NULL || !is_text || is_special_number(string.val.string.val, string.val.string.len))
		return MTF_ALWAYS;
	if (is_document)
		return mtf_match_write_exists(out, key, path);
	either = mtf_combination_begin(out, key, true);
	mtf_match_write_exists(out, mtf_combination_next(&either), path);
	mtf_match_write_op(out, mtf_combination_next(&either), field->path, "$eq", &literal);
	mtf_match_write_type(out, mtf_combination_next(&either), field->path, shown_as_text);
	return mtf_combination_end(&either);
}

MtfVerdict
mtf_json_write_keys(const MtfField *field, const MtfValue *value, bool all, StringInfo out,
					const char *key)
{
	MtfValueList list;
	MtfCombination group;

	if (value->isnull)
		return MTF_NEVER;
	if (value->typid == TEXTOID)
		return write_key(field, value, out, key);
	list = mtf_expand_list(value);
	if (list.n > MAX_LEAVES)
		return MTF_ALWAYS;
	group = mtf_combination_begin(out, key, !all);
	for (int i = 0; i < list.n && !group.decided; i++)
		mtf_combination_add(&group,
							write_key(field, &list.values[i], out, mtf_combination_key(&group)));
	return mtf_combination_end(&group);
}
