/*
 * field_known.h
 *	  Does a field's value decode?  The tests of rows/value.h as aggregation expressions.
 */
#ifndef MTF_FIELD_KNOWN_H
#define MTF_FIELD_KNOWN_H

#include "base/compat.h"
#include "pipeline/expr.h"

/*
 * May the column's promise of its types stand for a test of them?  Not where the value is converted: the
 * conversion of what is not as promised fails, on another tenant's document too.
 */
extern bool mtf_known_is_trusted(const MtfField *field);

/* The BSON types all values of which the integer column's type holds; NULL at the end. */
extern const char *const *mtf_known_whole_types(const MtfField *field);

/* The value at the reference decodes to one that is not NULL. */
extern void mtf_known_write(const MtfField *field, StringInfo out, const char *key,
							const char *reference);

/* Is it a date in the range of the column's type, whatever was promised of it? */
extern void mtf_known_write_date(const MtfField *field, StringInfo out, const char *key,
								 const char *reference);

#endif /* MTF_FIELD_KNOWN_H */
