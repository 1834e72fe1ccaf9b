/*
 * cache.h
 *	  Options of servers and tables and columns of tables, as the catalogs say now.
 *
 * Out of a cache that every change empties.  What is returned stays as it is as long as the memory
 * context that was current, also when the object is altered meanwhile.
 */
#ifndef MTF_CACHE_H
#define MTF_CACHE_H

#include "base/compat.h"
#include "options/column.h"
#include "options/option.h"

extern const MtfServerOptions *mtf_server_options(Oid serverid);
extern const MtfTableOptions *mtf_table_options(Oid relid);
extern const MtfColumnMap *mtf_column_map(Oid relid);

#endif /* MTF_CACHE_H */
