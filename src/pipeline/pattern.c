/*
 * pattern.c
 *	  LIKE patterns → regular expressions.
 *
 * `%` is any number of characters, `_` one; newlines count (option "s").  The end is `\\z`, since `$`
 * would also match before a final newline.  A prefix stays literal: an index serves `^abc`.
 *
 * A matcher that backtracks takes time that grows with the text's length to the power of the
 * wildcards: `%a%a%a%a` over a long text keeps a server busy that others need too.  So a run of wildcards
 * is one, and what follows the second is left to PostgreSQL.
 *
 * What must not happen here: a character of the pattern that is a metacharacter of the expression.
 */
#include "pipeline/pattern.h"

#include "lib/stringinfo.h"

#include "plan/plan_private.h"

/* More than any pattern of the greatest length makes without folding. */
#define MAX_REGEX_BYTES (2 * MTF_PATTERN_MAX_BYTES + 64)

static void
append_literal(StringInfo regex, char c)
{
	if (strchr(".^$*+?()[]{}|\\", c) != NULL)
		appendStringInfoChar(regex, '\\');
	appendStringInfoChar(regex, c);
}

/*
 * Either case, and characters beyond ASCII that lower to the letter in some locale: the Kelvin sign,
 * and the Turkish letters i.
 */
static void
append_folded(StringInfo regex, char c)
{
	char lower = pg_ascii_tolower((unsigned char) c);

	if (lower < 'a' || lower > 'z')
	{
		append_literal(regex, c);
		return;
	}
	appendStringInfo(regex, "[%c%c", lower, pg_ascii_toupper((unsigned char) lower));
	if (lower == 'k')
		appendStringInfoString(regex, "\xe2\x84\xaa");
	if (lower == 'i')
		appendStringInfoString(regex, "\xc4\xb0\xc4\xb1");
	appendStringInfoChar(regex, ']');
}

/* One more `.*`, for the run of wildcards just read; false: the expression has enough of them. */
static bool
append_wildcard(StringInfo regex, int *wildcards)
{
	if (*wildcards == MTF_PATTERN_MAX_WILDCARDS)
		return false;
	(*wildcards)++;
	appendStringInfoString(regex, ".*");
	return true;
}

/* A character, `\\x` included; false: the pattern is not one of ours. */
static bool
append_character(StringInfo regex, const char *pattern, int len, int *i, bool fold)
{
	if (pattern[*i] == '\\' && ++*i == len)
		return false;
	if (fold && IS_HIGHBIT_SET(pattern[*i]))
		return false;
	if (fold)
		append_folded(regex, pattern[*i]);
	else
		append_literal(regex, pattern[*i]);
	return true;
}

char *
mtf_pattern_to_regex(const char *pattern, int len, bool fold, bool *whole)
{
	StringInfoData regex;
	bool open_end = false; /* a run of wildcards is not written yet */
	int wildcards = 0;

	*whole = true;
	initStringInfo(&regex);
	appendStringInfoChar(&regex, '^');
	for (int i = 0; i < len; i++)
	{
		char c = pattern[i];

		/* Folding may make one character of two. */
		if (c == '%' || (fold && c == '_'))
		{
			open_end = true;
			continue;
		}
		/* Too much for a matcher that backtracks: the beginning says enough. */
		if (((i >= MTF_PATTERN_MAX_BYTES || regex.len > MAX_REGEX_BYTES) && (c & 0xC0) != 0x80) ||
			(open_end && !append_wildcard(&regex, &wildcards)))
		{
			*whole = false;
			return regex.data;
		}
		open_end = false;
		if (c == '_')
			appendStringInfoChar(&regex, '.');
		else if (!append_character(&regex, pattern, len, &i, fold))
			return NULL;
	}
	if (!open_end)
		appendStringInfoString(&regex, "\\z");
	return regex.data;
}
