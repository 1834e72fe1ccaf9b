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

/* The LIKE pattern of texts that begin with the constant; NULL: it is no constant. */
extern Node *mtf_prefix_as_like(Node *prefix);

#endif /* MTF_REGEX_H */
