/*
 * pattern.h
 *	  LIKE patterns → regular expressions, or ranges of texts.
 */
#ifndef MTF_PATTERN_H
#define MTF_PATTERN_H

#include "base/compat.h"
#include "pipeline/writer.h"

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

/*
 * The texts that a pattern matches when it only says how they begin: from `low` to below `high`, in the order
 * of UTF-8's bytes; `one`: there is no wildcard, `low` alone.  False: the pattern says something else, or the
 * range has no end.  The literals point to palloc'd memory.
 */
typedef struct MtfPatternRange
{
	MtfLiteral low;
	MtfLiteral high;
	bool one;
} MtfPatternRange;

extern bool mtf_pattern_to_range(const char *pattern, int len, MtfPatternRange *range);

#endif /* MTF_PATTERN_H */
