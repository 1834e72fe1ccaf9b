/*
 * compat.h
 *	  The only place with PostgreSQL version conditions (13 to 18).
 *
 * Include it first in every file: it brings in postgres.h.
 * A shim is named after what the newest version calls the thing.
 */
#ifndef MTF_COMPAT_H
#define MTF_COMPAT_H

#include "postgres.h"
#include "fmgr.h"

#if PG_VERSION_NUM < 130000
#error "mongo_tenant_fdw needs PostgreSQL 13 or newer"
#endif

/* Symbols shared between our own files only: the library is built with hidden visibility. */
#define MTF_PATH_SEPARATOR '.'

/* PostgreSQL 15: MarkGUCPrefixReserved replaced EmitWarningsOnPlaceholders. */
#if PG_VERSION_NUM < 150000
#define MarkGUCPrefixReserved(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* PostgreSQL 16: outer_bms of list/bitmap helpers and others are added here as they are needed. */

#endif /* MTF_COMPAT_H */
