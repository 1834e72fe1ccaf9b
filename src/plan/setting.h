/*
 * setting.h
 *	  mongo_tenant.enable_*_pushdown and .join_*: where work is done.  The rows never change.
 */
#ifndef MTF_PLAN_SETTING_H
#define MTF_PLAN_SETTING_H

#include "base/compat.h"

#include "utils/guc.h"

extern bool mtf_setting_enable_aggregate_pushdown;
extern bool mtf_setting_enable_filter_pushdown;
extern bool mtf_setting_enable_join_pushdown;
extern bool mtf_setting_enable_limit_pushdown;
extern bool mtf_setting_enable_sort_pushdown;

/* mongo_tenant.join_method: which ways to join are considered. */
typedef enum MtfJoinMethod
{
	MTF_JOIN_METHOD_AUTO,   /* all, and the cheapest is taken */
	MTF_JOIN_METHOD_LOOKUP, /* remote, by $lookup */
	MTF_JOIN_METHOD_HASH,   /* remote, by $unionWith and $group */
	MTF_JOIN_METHOD_BIND    /* here, the inner documents by batches of keys */
} MtfJoinMethod;

extern int mtf_setting_join_method;
extern const struct config_enum_entry mtf_join_methods[];

/* mongo_tenant.join_batch_size: the keys that one command of a bind join asks for. */
extern int mtf_setting_join_batch_size;

/*
 * Assign hooks: plans that were made under the value before are made again, prepared and generic ones too.  Who
 * switches one kind of pushdown off, round a server's fault perhaps, does not expect an old plan.
 */
extern void mtf_setting_assign_switch(bool value, void *extra);
extern void mtf_setting_assign_number(int value, void *extra);

#endif /* MTF_PLAN_SETTING_H */
