/*
 * plan_private.h
 *	  What a plan says about its remote part: the only codec of ForeignScan.fdw_private.
 *
 * An extensible node with named fields, so that plans can be copied, compared and read back without
 * anybody counting list positions.  A plan holds no tenant and no token (architecture.md, rule 2).
 *
 * Clauses are lowered while planning into MtfTerm, a small tree that the pipeline room can turn into
 * BSON without ever failing: what can be sent is decided once, here.
 */
#ifndef MTF_PLAN_PRIVATE_H
#define MTF_PLAN_PRIVATE_H

#include "base/compat.h"
#include "options/column.h"

#include "nodes/extensible.h"
#include "nodes/plannodes.h"

/* How the remote and the local meaning of a clause relate (architecture.md, rule 4). */
typedef enum MtfShip
{
	MTF_SHIP_EXACT,	   /* remote only */
	MTF_SHIP_SUPERSET, /* remote filter, and rechecked locally */
	MTF_SHIP_LOCAL
} MtfShip;

/* One line of EXPLAIN (VERBOSE): a clause, where it runs, and why. */
typedef struct MtfDecision
{
	ExtensibleNode node;
	MtfShip ship;
	Node *clause;
	char *why; /* e.g. "collation en_US is not byte order"; NULL when exact */
} MtfDecision;

/* The remote part of a ForeignScan. */
typedef struct MtfScanPlan
{
	ExtensibleNode node;
	List *relids;	 /* OIDs of the base foreign tables, driving table first */
	List *rtis;		 /* their range table indexes, same order */
	List *wanted;	 /* attribute numbers to decode, of the single base relation */
	List *terms;	 /* of MtfTerm, ANDed: the remote filter */
	List *decisions; /* of MtfDecision */
} MtfScanPlan;

/* Register the nodes; from _PG_init only. */
extern void mtf_plan_private_init(void);

/* The remote part of a plan node of ours. */
extern const MtfScanPlan *mtf_scan_plan(const ForeignScan *scan);

/*
 * The columns of the scan's slot as documents of the pipeline bring them: natts entries, NULL for an
 * attribute that is not decoded.  For a base scan these are the table's own columns.
 */
extern MtfColumn **mtf_scan_plan_columns(const MtfScanPlan *plan, int natts);

#endif /* MTF_PLAN_PRIVATE_H */
