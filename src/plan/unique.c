/*
 * unique.c
 *	  Columns that a unique index of the collection keeps unique, told to PostgreSQL's planner.
 *
 * A foreign table has no statistics, and none are written: they would be everybody's to read (pg_stats).  Without them
 * PostgreSQL takes every column for one of 200 values, and a join by a key for one that makes many times the rows
 * it does.  A unique index says what matters most, and says nothing about any value.  It is known where
 * use_remote_estimate asks for the list of indexes; of `_id` it is known always.
 *
 * What must not happen here: a statistics tuple, a value, anything about tables of others.
 */
#include "plan/unique.h"

#include "base/compat_planner.h"
#include "utils/selfuncs.h"

#include "plan/cost.h"
#include "plan/relation.h"

static get_relation_stats_hook_type previous = NULL;

/* PostgreSQL asks for a column's statistics; there are none, but isunique is its own word for what we know. */
static bool
relation_stats(PlannerInfo *root, RangeTblEntry *rte, AttrNumber attnum, VariableStatData *vardata)
{
	RelOptInfo *rel = vardata->rel;
	const MtfRelInfo *info;

	if (previous != NULL && previous(root, rte, attnum, vardata))
		return true;
	if (rel == NULL || !mtf_is_ours(rel) || rel->fdw_private == NULL || attnum < 1)
		return false;
	info = rel->fdw_private;
	if (info->facts == NULL || attnum > info->map->natts ||
		info->map->columns[attnum - 1] == NULL ||
		!mtf_facts_has_unique_index(info->facts, info->map->columns[attnum - 1]->path))
		return false;
	vardata->isunique = true;
	return true;
}

void
mtf_unique_install(void)
{
	previous = get_relation_stats_hook;
	get_relation_stats_hook = relation_stats;
}
