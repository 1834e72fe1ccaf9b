/*
 * setting.c
 *	  mongo_tenant.enable_*_pushdown and mongo_tenant.join_*.
 */
#include "plan/setting.h"

#include "utils/plancache.h"

bool mtf_setting_enable_aggregate_pushdown = true;
bool mtf_setting_enable_filter_pushdown = true;
bool mtf_setting_enable_join_pushdown = true;
bool mtf_setting_enable_limit_pushdown = true;
bool mtf_setting_enable_sort_pushdown = true;

int mtf_setting_join_method = MTF_JOIN_METHOD_AUTO;
int mtf_setting_join_batch_size = 1000;

const struct config_enum_entry mtf_join_methods[] = {{"auto", MTF_JOIN_METHOD_AUTO, false},
													 {"lookup", MTF_JOIN_METHOD_LOOKUP, false},
													 {"hash", MTF_JOIN_METHOD_HASH, false},
													 {"bind", MTF_JOIN_METHOD_BIND, false},
													 {NULL, 0, false}};

void
mtf_setting_assign_switch(bool value, void *extra)
{
	ResetPlanCache();
}

void
mtf_setting_assign_number(int value, void *extra)
{
	ResetPlanCache();
}
