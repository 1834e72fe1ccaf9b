/*
 * accumulate.h
 *	  Accumulators of a remote $group.
 */
#ifndef MTF_ACCUMULATE_H
#define MTF_ACCUMULATE_H

#include "base/compat.h"
#include "pipeline/expr.h"

/*
 * One accumulator of a $group: `name: {$sum: …}`; with a path only of documents in which that has the number.
 */
extern void mtf_value_write_accumulator(const MtfExprContext *context,
										const MtfAccumulator *accumulator, const char *path,
										int number, StringInfo out);

/* The same of groups that have it already: `name: {$sum: "$name"}`. */
extern void mtf_value_write_reaccumulator(const MtfAccumulator *accumulator, StringInfo out);

#endif /* MTF_ACCUMULATE_H */
