/*
 * compat_planner.h
 *	  The half of compat.h that only the planner's rooms need: its headers clash with jansson's names.
 */
#ifndef MTF_COMPAT_PLANNER_H
#define MTF_COMPAT_PLANNER_H

#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "access/stratnum.h"
#include "catalog/pg_database.h"
#include "nodes/extensible.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "utils/builtins.h"
#include "utils/pg_locale.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

/* PostgreSQL 13 named F_ macros after C functions, not unique for SQL functions. */
#if PG_VERSION_NUM < 140000
#include "base/fmgr13.h"
#endif

/* PostgreSQL 18: a comparison of rows has the comparison type of all access methods. */
#if PG_VERSION_NUM >= 180000
#define mtf_compat_row_comparison(expr) ((expr)->cmptype)
#define ROWCOMPARE_LT                   COMPARE_LT
#define ROWCOMPARE_LE                   COMPARE_LE
#define ROWCOMPARE_GE                   COMPARE_GE
#else
#define mtf_compat_row_comparison(expr) ((expr)->rctype)
#endif

/* PostgreSQL 14: pull_varnos needs the planner's root. */
static inline Relids
mtf_compat_pull_varnos(PlannerInfo *root, Node *node)
{
#if PG_VERSION_NUM >= 140000
	return pull_varnos(root, node);
#else
	return pull_varnos(node);
#endif
}

/* PostgreSQL 18 dropped lc_collate_is_c. */
static inline bool
mtf_compat_collate_is_c(Oid collation)
{
#if PG_VERSION_NUM >= 180000
	return pg_newlocale_from_collation(collation)->collate_is_c;
#else
	return lc_collate_is_c(collation);
#endif
}

/* PostgreSQL 15: a database's default collation may come from another provider than libc. */
static inline bool
mtf_compat_database_is_libc(Form_pg_database database)
{
#if PG_VERSION_NUM >= 150000
	return database->datlocprovider == COLLPROVIDER_LIBC;
#else
	return true;
#endif
}

/* PostgreSQL 15: datcollate became text. */
static inline char *
mtf_compat_database_collate(HeapTuple tuple)
{
#if PG_VERSION_NUM >= 150000
	bool isnull;
	Datum datum = SysCacheGetAttr(DATABASEOID, tuple, Anum_pg_database_datcollate, &isnull);

	return isnull ? pstrdup("") : TextDatumGetCString(datum);
#else
	return pstrdup(NameStr(((Form_pg_database) GETSTRUCT(tuple))->datcollate));
#endif
}

/* PostgreSQL 17 added the clauses that a join path keeps, 18 the count of disabled nodes. */
#if PG_VERSION_NUM >= 180000
#define mtf_compat_create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer,   \
										   private)                                                \
	create_foreignscan_path(root, rel, target, rows, 0, startup, total, keys, outer, NULL, NIL,    \
							private)
#elif PG_VERSION_NUM >= 170000
#define mtf_compat_create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer,   \
										   private)                                                \
	create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer, NULL, NIL,       \
							private)
#else
#define mtf_compat_create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer,   \
										   private)                                                \
	create_foreignscan_path(root, rel, target, rows, startup, total, keys, outer, NULL, private)
#endif

/* PostgreSQL 14: a numeric may be infinite. */
#if PG_VERSION_NUM >= 140000
#define MTF_COMPAT_NUMERIC_HAS_INFINITY true
#else
#define MTF_COMPAT_NUMERIC_HAS_INFINITY false
#endif

#if PG_VERSION_NUM >= 180000
#define mtf_compat_create_foreign_upper_path(root, rel, target, rows, startup, total, keys, outer, \
											 private)                                              \
	create_foreign_upper_path(root, rel, target, rows, 0, startup, total, keys, outer, NIL, private)
#elif PG_VERSION_NUM >= 170000
#define mtf_compat_create_foreign_upper_path(root, rel, target, rows, startup, total, keys, outer, \
											 private)                                              \
	create_foreign_upper_path(root, rel, target, rows, startup, total, keys, outer, NIL, private)
#else
#define mtf_compat_create_foreign_upper_path(root, rel, target, rows, startup, total, keys, outer, \
											 private)                                              \
	create_foreign_upper_path(root, rel, target, rows, startup, total, keys, outer, private)
#endif

/* PostgreSQL 14 dropped the list of partitioned tables above. */
static inline AppendPath *
mtf_compat_create_append_path(PlannerInfo *root, RelOptInfo *rel, List *subpaths)
{
#if PG_VERSION_NUM >= 140000
	return create_append_path(root, rel, subpaths, NIL, NIL, NULL, 0, false, -1);
#else
	return create_append_path(root, rel, subpaths, NIL, NIL, NULL, 0, false, NIL, -1);
#endif
}

#if PG_VERSION_NUM >= 180000
#define mtf_compat_create_foreign_join_path(root, rel, rows, startup, total, clauses, private)     \
	create_foreign_join_path(root, rel, NULL, rows, 0, startup, total, NIL, NULL, NULL, clauses,   \
							 private)
#elif PG_VERSION_NUM >= 170000
#define mtf_compat_create_foreign_join_path(root, rel, rows, startup, total, clauses, private)     \
	create_foreign_join_path(root, rel, NULL, rows, startup, total, NIL, NULL, NULL, clauses,      \
							 private)
#else
#define mtf_compat_create_foreign_join_path(root, rel, rows, startup, total, clauses, private)     \
	create_foreign_join_path(root, rel, NULL, rows, startup, total, NIL, NULL, NULL, private)
#endif

/* PostgreSQL 18: pathkeys hold a comparison's type, not a btree strategy. */
static inline bool
mtf_compat_pathkey_is_descending(const PathKey *pathkey)
{
#if PG_VERSION_NUM >= 180000
	return pathkey->pk_cmptype == COMPARE_GT;
#else
	return pathkey->pk_strategy == BTGreaterStrategyNumber;
#endif
}

/* Of an equivalence class, as merge joins sort: ascending, nulls last. */
static inline PathKey *
mtf_compat_ascending_pathkey(PlannerInfo *root, EquivalenceClass *ec)
{
#if PG_VERSION_NUM >= 180000
	return make_canonical_pathkey(root, ec, linitial_oid(ec->ec_opfamilies), COMPARE_LT, false);
#else
	return make_canonical_pathkey(root, ec, linitial_oid(ec->ec_opfamilies), BTLessStrategyNumber,
								  false);
#endif
}

static inline bool
mtf_compat_limit_with_ties(const Query *query)
{
	return query->limitOption == LIMIT_OPTION_WITH_TIES;
}

/*
 * The relation of everything that FROM joins, or NULL.  PostgreSQL 16: outer joins count as members.
 */
static inline RelOptInfo *
mtf_compat_scanjoin_rel(PlannerInfo *root)
{
	int rti;

#if PG_VERSION_NUM >= 160000
	Relids all = root->all_query_rels;
#else
	Relids all = root->all_baserels;
#endif

	if (bms_get_singleton_member(all, &rti))
		return root->simple_rel_array[rti];
	return find_join_rel(root, all);
}

/* PostgreSQL 16: redundant GROUP BY columns are dropped in the planner's copy of the clause. */
static inline List *
mtf_compat_group_clause(PlannerInfo *root)
{
#if PG_VERSION_NUM >= 160000
	return root->processed_groupClause;
#else
	return root->parse->groupClause;
#endif
}

/* PostgreSQL 14 added an output argument. */
static inline double
mtf_compat_estimate_num_groups(PlannerInfo *root, List *exprs, double rows)
{
#if PG_VERSION_NUM >= 140000
	return estimate_num_groups(root, exprs, rows, NULL, NULL);
#else
	return estimate_num_groups(root, exprs, rows, NULL);
#endif
}

/* PostgreSQL 15: custom nodes say whether they project; before, all do. */
#if PG_VERSION_NUM >= 150000
#define MTF_CUSTOMPATH_PROJECTS CUSTOMPATH_SUPPORT_PROJECTION
#else
#define MTF_CUSTOMPATH_PROJECTS 0
#endif

/* PostgreSQL 18: nodes that a setting disables are counted, not made dear. */
static inline void
mtf_compat_copy_disabled_nodes(Path *to, const Path *from)
{
#if PG_VERSION_NUM >= 180000
	to->disabled_nodes = from->disabled_nodes;
#endif
}

#endif /* MTF_COMPAT_PLANNER_H */
