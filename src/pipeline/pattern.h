/*
 * pattern.h
 *	  LIKE patterns → regular expressions, or ranges of texts.
 */
#ifndef MTF_PATTERN_H
#define MTF_PATTERN_H

#include "base/compat.h"
#include "pipeline/writer.h"
#include "plan/plan_private.h"

typedef enum MtfFold
{
	MTF_FOLD_NONE,
	MTF_FOLD_LOWER, /* what lower() makes of the text is meant */
	MTF_FOLD_UPPER
} MtfFold;

/*
 * The expression (option "s") that matches what the pattern matches, palloc'd.  With folding, ASCII
 * letters match in either case, and whatever PostgreSQL might fold to them.  NULL: there is none (an
 * escape character at the end, which PostgreSQL refuses; with folding, characters beyond ASCII).
 * `pattern` is UTF-8, `len` bytes, without NUL.
 *
 * *whole is false when the pattern is too long, or has too many wildcards (plan_private.h): then the
 * expression stands for its beginning, and matches more.
 */
extern char *mtf_pattern_to_regex(const char *pattern, int len, MtfFold fold, bool *whole);

/* The value of a LIKE or ILIKE term as a LIKE pattern, in its place; false: it is none in other words (MtfPattern). */
extern bool mtf_pattern_read(const MtfTerm *term, MtfLiteral *literal);

/* How such a term folds. */
extern MtfFold mtf_pattern_fold(const MtfTerm *term);

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
