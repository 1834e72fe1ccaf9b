/*
 * pattern.c
 *	  LIKE patterns → regular expressions, or ranges of texts.
 *
 * `%` is any number of characters, `_` one; newlines count (option "s").  The end is `\\z`, since `$`
 * would also match before a final newline.  A prefix stays literal: an index serves `^abc`.
 *
 * A pattern that is nothing but a prefix is a range: `abc%` are the texts from "abc" to below "abd".  The same
 * index serves it, and no engine has an expression to run (one compiles it again for each document: 18 to 34 times
 * the range's time; elsewhere the two are within 1.4 of each other, SecantusDB's Python 1.7).
 *
 * A matcher that backtracks takes time that grows with the text's length to the power of the
 * wildcards: `%a%a%a%a` over a long text keeps a server busy that others need too.  So a run of wildcards
 * is one, and what follows the second is left to PostgreSQL.
 *
 * What must not happen here: a character of the pattern that is a metacharacter of the expression.
 */
#include "pipeline/pattern.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "plan/regex.h"

/* More than any pattern of the greatest length makes without folding. */
#define MAX_REGEX_BYTES (2 * MTF_PATTERN_MAX_BYTES + 64)

static void
append_literal(StringInfo regex, char c)
{
	if (strchr(".^$*+?()[]{}|\\", c) != NULL)
		appendStringInfoChar(regex, '\\');
	appendStringInfoChar(regex, c);
}

/* What begins with these letters may be one character that upper() makes several of. */
static bool
is_ligature(char first, char second)
{
	return (first == 's' && (second == 's' || second == 't')) ||
		   (first == 'f' && (second == 'f' || second == 'i' || second == 'l'));
}

/* Characters beyond ASCII that lower to the letter in some locale. */
static const char *
lowers_to(char lower)
{
	switch (lower)
	{
		case 'k': return "\xe2\x84\xaa";     /* the Kelvin sign */
		case 'i': return "\xc4\xb0\xc4\xb1"; /* the Turkish letters i */
		default: return "";
	}
}

/* Those whose upper-case form is, or has in it, the letter. */
static const char *
uppers_to(char lower)
{
	switch (lower)
	{
		case 'i': return "\xc4\xb0\xc4\xb1\xef\xac\x81\xef\xac\x83"; /* fi, ffi */
		case 'f':
			return "\xef\xac\x80\xef\xac\x81\xef\xac\x82\xef\xac\x83\xef\xac\x84"; /* ff to ffl */
		case 'l': return "\xef\xac\x82\xef\xac\x84";
		case 's': return "\xc5\xbf\xc3\x9f\xef\xac\x85\xef\xac\x86"; /* long and sharp s, st */
		case 't': return "\xef\xac\x85\xef\xac\x86";
		default: return "";
	}
}

/* Either case, and what else the folding makes of it; a letter that another one's ligature may hold is optional. */
static void
append_folded(StringInfo regex, const char *pattern, int len, int i, MtfFold fold)
{
	char lower = pg_ascii_tolower((unsigned char) pattern[i]);
	char before = i == 0 ? '\0' : pg_ascii_tolower((unsigned char) pattern[i - 1]);
	char behind = i + 1 == len ? '\0' : pg_ascii_tolower((unsigned char) pattern[i + 1]);

	if (lower < 'a' || lower > 'z')
	{
		append_literal(regex, pattern[i]);
		return;
	}
	appendStringInfo(regex, "[%c%c%s]", lower, pg_ascii_toupper((unsigned char) lower),
					 fold == MTF_FOLD_UPPER ? uppers_to(lower) : lowers_to(lower));
	if (fold == MTF_FOLD_UPPER && (is_ligature(before, lower) || is_ligature(lower, behind)))
		appendStringInfoChar(regex, '?');
}

/*
 * One more `.*`, for the run of wildcards just read; false: the expression has enough of them.  At the beginning
 * it is said by leaving out the anchor: a search is what an engine is quick at (`^.*abc` takes one 30 times as long).
 */
static bool
append_wildcard(StringInfo regex, int *wildcards)
{
	if (*wildcards == MTF_PATTERN_MAX_WILDCARDS)
		return false;
	(*wildcards)++;
	if (strcmp(regex->data, "^") == 0)
		resetStringInfo(regex);
	else
		appendStringInfoString(regex, ".*");
	return true;
}

/* A character, `\\x` included; false: the pattern is not one of ours. */
static bool
append_character(StringInfo regex, const char *pattern, int len, int *i, MtfFold fold)
{
	if (pattern[*i] == '\\' && ++*i == len)
		return false;
	if (fold != MTF_FOLD_NONE && IS_HIGHBIT_SET(pattern[*i]))
		return false;
	if (fold != MTF_FOLD_NONE)
		append_folded(regex, pattern, len, *i, fold);
	else
		append_literal(regex, pattern[*i]);
	return true;
}

char *
mtf_pattern_to_regex(const char *pattern, int len, MtfFold fold, bool *whole)
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
		if (c == '%' || (fold != MTF_FOLD_NONE && c == '_'))
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

/* --- ranges ------------------------------------------------------------------------------------------- */

#define LAST_CHARACTER    0x10FFFF
#define FIRST_SURROGATE   0xD800
#define BEHIND_SURROGATES 0xE000

/* The text in front of the pattern's wildcards; NULL: more follows them, or there is another wildcard. */
static char *
literal_prefix(const char *pattern, int len, int *prefix_len, bool *open_end)
{
	char *prefix = palloc(len + 1);

	*prefix_len = 0;
	*open_end = false;
	for (int i = 0; i < len; i++)
	{
		if (pattern[i] == '%')
		{
			*open_end = true;
			continue;
		}
		if (*open_end || pattern[i] == '_' || (pattern[i] == '\\' && ++i == len))
			return NULL;
		prefix[(*prefix_len)++] = pattern[i];
	}
	return prefix;
}

/*
 * The least text behind all that begin with `prefix`, in its place: the last character that has a next one is
 * that next one (of which UTF-8 may need another byte), and what followed it is cut off.  False: there is none.
 */
static bool
next_prefix(char *prefix, int *len)
{
	while (*len > 0)
	{
		int start = *len - 1;
		pg_wchar character;

		while (start > 0 && (prefix[start] & 0xC0) == 0x80)
			start--;
		character = utf8_to_unicode((unsigned char *) &prefix[start]);
		*len = start;
		if (character >= LAST_CHARACTER)
			continue;
		character = character + 1 == FIRST_SURROGATE ? BEHIND_SURROGATES : character + 1;
		unicode_to_utf8(character, (unsigned char *) &prefix[start]);
		*len += pg_utf_mblen((unsigned char *) &prefix[start]);
		return true;
	}
	return false;
}

static MtfLiteral
text_literal(const char *data, int len)
{
	return (MtfLiteral){.type = MTF_LITERAL_STRING, .data = data, .len = len};
}

bool
mtf_pattern_to_range(const char *pattern, int len, MtfPatternRange *range)
{
	bool open_end;
	int low_len;
	int high_len;
	char *high;
	char *low = literal_prefix(pattern, len, &low_len, &open_end);

	if (low == NULL)
		return false;
	range->low = text_literal(low, low_len);
	range->one = !open_end;
	if (range->one)
		return true;
	high = palloc(low_len + MAX_MULTIBYTE_CHAR_LEN);
	memcpy(high, low, low_len);
	high_len = low_len;
	if (!next_prefix(high, &high_len))
		return false;
	range->high = text_literal(high, high_len);
	return true;
}

bool
mtf_pattern_read(const MtfTerm *term, MtfLiteral *literal)
{
	if (term->pattern != MTF_PATTERN_REGEX)
		return true;
	literal->data = mtf_regex_to_like(pnstrdup(literal->data, literal->len));
	literal->len = literal->data == NULL ? 0 : strlen(literal->data);
	return literal->data != NULL;
}

MtfFold
mtf_pattern_fold(const MtfTerm *term)
{
	if (term->kind == MTF_TERM_LIKE)
		return MTF_FOLD_NONE;
	return term->pattern == MTF_PATTERN_UPPER ? MTF_FOLD_UPPER : MTF_FOLD_LOWER;
}
