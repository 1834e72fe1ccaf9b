/*
 * operand.h
 *	  What the values of a comparison mean for a field: literals, moments, lists.
 */
#ifndef MTF_OPERAND_H
#define MTF_OPERAND_H

#include "base/compat.h"
#include "pipeline/literal.h"

extern bool mtf_is_integer_kind(const MtfField *field);
extern bool mtf_is_number_kind(const MtfField *field);
extern bool mtf_is_date_kind(const MtfField *field);

/*
 * A comparison of instants in whole milliseconds: [first, behind) is the set of instants that decode
 * to a value equal to the constant; when there is none (microseconds, or a time on a date column),
 * both are the end of the unit it lies in: everything below it is less, everything else greater.
 */
typedef struct MtfMoment
{
	int64 first;
	int64 behind;
	bool exists; /* some instant is equal */
} MtfMoment;

extern MtfMoment mtf_moment_of(const MtfField *field, const MtfInstant *instant);

/* An operator of both languages, and its date. */
typedef struct MtfDateBound
{
	const char *op;
	MtfLiteral date;
} MtfDateBound;

/* What is less, at most, greater or at least; `op` is MTF_OP_LT, LE, GT or GE. */
extern MtfDateBound mtf_moment_bound(const MtfMoment *moment, MtfOp op);

#define MTF_NOT_BY_LITERALS (-1)

/*
 * The BSON values that decode to a value equal to `value`: their number (0: none can be), or
 * MTF_NOT_BY_LITERALS when a range is needed.
 */
extern int mtf_equal_literals(const MtfField *field, const MtfValue *value, MtfLiteral literals[2]);

/* The elements of an array value that are not NULL. */
typedef struct MtfValueList
{
	MtfValue *values;
	int n;
	bool has_null;
} MtfValueList;

extern MtfValueList mtf_expand_list(const MtfValue *value);

#endif /* MTF_OPERAND_H */
