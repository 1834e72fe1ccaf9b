/*
 * setting.h
 *	  mongo_tenant.enable_*_pushdown: turn one kind of pushdown off.  The rows never change.
 */
#ifndef MTF_PLAN_SETTING_H
#define MTF_PLAN_SETTING_H

#include "base/compat.h"

extern bool mtf_setting_enable_aggregate_pushdown;
extern bool mtf_setting_enable_filter_pushdown;
extern bool mtf_setting_enable_join_pushdown;
extern bool mtf_setting_enable_limit_pushdown;
extern bool mtf_setting_enable_sort_pushdown;

#endif /* MTF_PLAN_SETTING_H */
