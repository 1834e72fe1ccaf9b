/*
 * group_key.h
 *	  By what the server puts values together, so that they are exactly those that are equal here.
 */
#ifndef MTF_GROUP_KEY_H
#define MTF_GROUP_KEY_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/grouping.h"

/*
 * The value of `expr`, to group by; a plain numeric is a loose field (lowering.h): whoever groups by it counts
 * what is not exact.  NULL, with the reason, when there is none.
 */
extern MtfTerm *mtf_group_key_value(MtfGrouping *grouping, Node *expr);

/*
 * The key for a computed value of `expr` under the equality operator: the value itself, or (function
 * MTF_FUNCTION_NUMBER_KEY) what equal numbers have in common.  False, with the reason, when there is none.
 */
extern bool mtf_group_key(MtfGrouping *grouping, MtfTerm *value, Node *expr, Oid equality,
						  MtfTerm **key);

#endif /* MTF_GROUP_KEY_H */
