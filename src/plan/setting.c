/*
 * setting.c
 *	  mongo_tenant.enable_*_pushdown.
 */
#include "plan/setting.h"

bool mtf_setting_enable_aggregate_pushdown = true;
bool mtf_setting_enable_filter_pushdown = true;
bool mtf_setting_enable_join_pushdown = true;
bool mtf_setting_enable_limit_pushdown = true;
bool mtf_setting_enable_sort_pushdown = true;
