/*
 * pattern.c
 *	  LIKE patterns → regular expressions.
 *
 * `%` is any number of characters, `_` one; newlines count (option "s").  The end is `\\z`, since `$`
 * would also match before a final newline.  A prefix stays literal: an index serves `^abc`.
 *
 * What must not happen here: a character of the pattern that is a metacharacter of the expression.
 */
#include "pipeline/pattern.h"

#include "lib/stringinfo.h"

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

char *
mtf_pattern_to_regex(const char *pattern, int len, bool fold)
{
	StringInfoData regex;
	bool open_end = false;

	initStringInfo(&regex);
	appendStringInfoChar(&regex, '^');
	for (int i = 0; i < len; i++)
	{
		char c = pattern[i];

		open_end = c == '%';
		if (fold && IS_HIGHBIT_SET(c))
			return NULL;
		if (c == '%')
			appendStringInfoString(&regex, i == len - 1 ? "" : ".*");
		/* Folding may make one character of two. */
		else if (c == '_')
			appendStringInfoString(&regex, fold ? ".*" : ".");
		else
		{
			if (c == '\\' && ++i == len)
				return NULL;
			if (fold && IS_HIGHBIT_SET(pattern[i]))
				return NULL;
			if (fold)
				append_folded(&regex, pattern[i]);
			else
				append_literal(&regex, pattern[i]);
		}
	}
	if (!open_end)
		appendStringInfoString(&regex, "\\z");
	return regex.data;
}
