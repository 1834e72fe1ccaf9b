/*
 * expr.h
 *	  Lowered terms → match language.
 */
#ifndef MTF_EXPR_H
#define MTF_EXPR_H

#include "base/compat.h"
#include "pipeline/pipeline.h"
#include "pipeline/writer.h"

/* What a condition came to, now that its values are known. */
typedef enum MtfVerdict
{
	MTF_NEVER,  /* nothing was written: no document can satisfy it */
	MTF_ALWAYS, /* nothing was written: it filters nothing out */
	MTF_SOME    /* one condition was written */
} MtfVerdict;

typedef struct MtfExprContext
{
	const MtfValue *values;
	int nvalues;
	const char *const
		*aliases; /* per relation, the field that holds its document; NULL: the root */
	const struct MtfCanonical *canonical; /* behind the stage of canonical.h; NULL: before it */
	/* of MtfField: a group with a value of theirs that does not decode is an error, whatever else is in it */
	const List *counted;
	const List *believed;  /* of MtfField: used untested, as the group is tested (believed.h) */
	const MtfRange *range; /* of the driving collection, for its first stages; NULL: all of it */
} MtfExprContext;

/* The value that a term compares with; NULL: it has none. */
extern const MtfValue *mtf_expr_value(const MtfExprContext *context, const MtfTerm *term);

/* "$eq", "$lt", … */
extern const char *mtf_op_word(MtfOp op);

/*
 * Write the superset form of a condition as a document under `key`.  Total: it raises out-of-memory
 * only.  A form that a value does not allow widens, at worst to MTF_ALWAYS.
 */
extern MtfVerdict mtf_match_write(const MtfExprContext *context, const MtfTerm *term,
								  StringInfo out, const char *key);

/* Of values of the column's own types (native.c): is the superset form of the comparison exact, whatever it is compared with? */
extern bool mtf_match_compares_exactly(const MtfField *field, MtfOp op);

/* Is the superset form of the comparison not widened for want of a literal, or of room? */
extern bool mtf_match_takes_value(const MtfExprContext *context, const MtfTerm *term);

/* Is the superset form of the condition exact, given the owner's promise (trust_types)? */
extern bool mtf_match_is_exact(const MtfExprContext *context, const MtfTerm *term);

#endif /* MTF_EXPR_H */
