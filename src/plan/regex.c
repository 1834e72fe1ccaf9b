/*
 * regex.c
 *	  Regular expressions and prefixes that are LIKE patterns in other words.
 *
 * PostgreSQL's expressions and the server's agree on little that can be proven, and some keep a server
 * busy for long.  What is sent is what LIKE says as well: `.` is any character, newlines too, and `$` the
 * very end.  Such an expression is never invalid, so that no error depends on where it runs.
 */
#include "plan/regex.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/fmgroids.h"

#include "plan/node.h"
#include "plan/plan_private.h"

/* A character of a text, as LIKE wants it. */
static void
append_literal(StringInfo like, char c)
{
	if (c == '%' || c == '_' || c == '\\')
		appendStringInfoChar(like, '\\');
	appendStringInfoChar(like, c);
}

static bool
is_quantifier(char c)
{
	return c == '*' || c == '+' || c == '?' || c == '{';
}

/* `.`, `.*` or `.+` at regex[*i]; false: another quantifier stands there. */
static bool
append_any(StringInfo like, const char *regex, int *i)
{
	char quantifier = regex[*i + 1];

	if (!is_quantifier(quantifier))
	{
		appendStringInfoChar(like, '_');
		return true;
	}
	/* A second one (`.*?`) makes it another expression. */
	if ((quantifier != '*' && quantifier != '+') || is_quantifier(regex[*i + 2]))
		return false;
	appendStringInfoString(like, quantifier == '*' ? "%" : "_%");
	(*i)++;
	return true;
}

/* A character that stands for itself, `\\.` included; false: it does not, or it is repeated. */
static bool
append_character(StringInfo like, const char *regex, int *i)
{
	char c = regex[*i];

	if (c == '\\')
	{
		c = regex[++*i];
		if (c == '\0' || IS_HIGHBIT_SET(c) || isalnum((unsigned char) c))
			return false;
	}
	else if (strchr("^$*+?{}[]()|", c) != NULL)
		return false;
	append_literal(like, c);
	return !is_quantifier(regex[*i + 1]);
}

char *
mtf_regex_to_like(const char *regex)
{
	StringInfoData like;
	int i = 0;

	initStringInfo(&like);
	if (regex[0] == '^')
		i++;
	else
		appendStringInfoChar(&like, '%');
	for (; regex[i] != '\0'; i++)
	{
		if (regex[i] == '$' && regex[i + 1] == '\0')
			return like.data;
		if (regex[i] == '.' ? !append_any(&like, regex, &i) : !append_character(&like, regex, &i))
			return NULL;
	}
	appendStringInfoChar(&like, '%');
	return like.data;
}

Node *
mtf_regex_as_like(Node *node)
{
	char *regex = mtf_node_constant_text(node);
	char *like = regex == NULL ? NULL : mtf_regex_to_like(regex);

	return like == NULL ? NULL : mtf_node_text(like);
}

bool
mtf_pattern_is_sound(const char *pattern)
{
	bool open_end = false;
	int wildcards = 0;

	if (strlen(pattern) > MTF_PATTERN_MAX_BYTES)
		return false;
	for (const char *c = pattern; *c != '\0'; c++)
	{
		if (*c == '%')
		{
			open_end = true;
			continue;
		}
		if (*c == '\\' && *++c == '\0')
			return false;
		/* A run of wildcards that is not the pattern's end. */
		wildcards += open_end;
		open_end = false;
	}
	return wildcards <= MTF_PATTERN_MAX_WILDCARDS;
}

/* replace(text, '%', '\\%') */
static Node *
replace_call(Node *text, const char *from, const char *to)
{
	return (Node *) makeFuncExpr(F_REPLACE, TEXTOID,
								 list_make3(text, mtf_node_text(from), mtf_node_text(to)),
								 C_COLLATION_OID, C_COLLATION_OID, COERCE_EXPLICIT_CALL);
}

static Node *
concatenation(Node *left, Node *right)
{
	return (Node *) makeFuncExpr(F_TEXTCAT, TEXTOID, list_make2(left, right), C_COLLATION_OID,
								 C_COLLATION_OID, COERCE_EXPLICIT_CALL);
}

/* What is known only at execution is escaped then. */
static Node *
value_as_like(Node *text, bool open_start, bool open_end)
{
	Node *like = replace_call(
		replace_call(replace_call(copyObject(text), "\\", "\\\\"), "%", "\\%"), "_", "\\_");

	if (open_start)
		like = concatenation(mtf_node_text("%"), like);
	return open_end ? concatenation(like, mtf_node_text("%")) : like;
}

Node *
mtf_text_as_like(Node *node, bool open_start, bool open_end)
{
	char *text = mtf_node_constant_text(node);
	StringInfoData like;

	if (text == NULL)
		return exprType(node) == TEXTOID && !IsA(node, Const)
				   ? value_as_like(node, open_start, open_end)
				   : NULL;
	initStringInfo(&like);
	if (open_start)
		appendStringInfoChar(&like, '%');
	for (; *text != '\0'; text++)
		append_literal(&like, *text);
	if (open_end)
		appendStringInfoChar(&like, '%');
	return mtf_node_text(like.data);
}

bool
mtf_like_is_prefix(Node *node)
{
	char *pattern = mtf_node_constant_text(node);

	if (pattern == NULL || *pattern == '%')
		return false;
	for (; *pattern != '\0' && *pattern != '%'; pattern++)
		if (*pattern == '_' || (*pattern == '\\' && *++pattern == '\0'))
			return false;
	return pattern[strspn(pattern, "%")] == '\0';
}
