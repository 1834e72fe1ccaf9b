/*
 * unique.h
 *	  Columns that a unique index of the collection keeps unique, told to PostgreSQL's planner.
 */
#ifndef MTF_UNIQUE_H
#define MTF_UNIQUE_H

#include "base/compat.h"

/* Take part in get_relation_stats_hook; others that have it are asked for their tables. */
extern void mtf_unique_install(void);

#endif /* MTF_UNIQUE_H */
