/*
 * regex.h
 *	  Regular expressions and prefixes that are LIKE patterns in other words.
 */
#ifndef MTF_REGEX_H
#define MTF_REGEX_H

#include "base/compat.h"
#include "base/compat_planner.h"

/*
 * The LIKE pattern that matches what the constant regular expression finds; NULL: there is none.  Known
 * are characters (escaped ones too), `.`, `.*`, `.+`, `^` at the beginning and `$` at the end.
 */
extern Node *mtf_regex_as_like(Node *regex);

/* The same of a regular expression that is known by now, palloc'd. */
extern char *mtf_regex_to_like(const char *regex);

/*
 * Is it a pattern that PostgreSQL takes (an escape character at its end is an error there), and whose
 * expression stands for all of it (pipeline/pattern.c)?
 */
extern bool mtf_pattern_is_sound(const char *pattern);

/*
 * The LIKE pattern of texts that are `text`, with anything before (open_start) or behind it: of a constant,
 * or an expression that escapes the value when it is known.  NULL: it is no text.
 */
extern Node *mtf_text_as_like(Node *text, bool open_start, bool open_end);

/* Is the pattern a constant that says how texts begin, and no more?  (pipeline/pattern.c sends a range.) */
extern bool mtf_like_is_prefix(Node *pattern);

#endif /* MTF_REGEX_H */
