/*
 * integer_range.h
 *	  The least and the greatest value of PostgreSQL's integer types.
 *
 * A type that is none of the smaller two is taken for bigint.
 */
#ifndef MTF_INTEGER_RANGE_H
#define MTF_INTEGER_RANGE_H

#include "base/compat.h"

#include "catalog/pg_type.h"

static inline int64
mtf_integer_least(Oid type)
{
	return type == INT2OID ? PG_INT16_MIN : type == INT4OID ? PG_INT32_MIN : PG_INT64_MIN;
}

static inline int64
mtf_integer_greatest(Oid type)
{
	return type == INT2OID ? PG_INT16_MAX : type == INT4OID ? PG_INT32_MAX : PG_INT64_MAX;
}

#endif
