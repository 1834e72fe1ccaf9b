/*
 * pattern.h
 *	  LIKE patterns → regular expressions.
 */
#ifndef MTF_PATTERN_H
#define MTF_PATTERN_H

#include "base/compat.h"

/*
 * The expression (option "s") that matches what the pattern matches, palloc'd.  With `fold`, ASCII
 * letters match in either case, and whatever PostgreSQL might fold to them.  NULL: there is none (an
 * escape character at the end, which PostgreSQL refuses; with `fold`, characters beyond ASCII).
 * `pattern` is UTF-8, `len` bytes, without NUL.
 *
 * *whole is false when the pattern is too long, or has too many wildcards (plan_private.h): then the
 * expression stands for its beginning, and matches more.
 */
extern char *mtf_pattern_to_regex(const char *pattern, int len, bool fold, bool *whole);

#endif /* MTF_PATTERN_H */
