/*
 * explain.h
 *	  EXPLAIN of a foreign scan: what is sent (the tenant as a placeholder) and where clauses run.
 */
#ifndef MTF_EXPLAIN_H
#define MTF_EXPLAIN_H

#include "base/compat.h"

#include "foreign/fdwapi.h"

extern void mtfExplainForeignScan(ForeignScanState *node, ExplainState *es);

#endif /* MTF_EXPLAIN_H */
