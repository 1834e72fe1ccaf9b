/*
 * exec_bind.h
 *	  The executor node of bind joins.
 */
#ifndef MTF_EXEC_BIND_H
#define MTF_EXEC_BIND_H

#include "base/compat.h"

#include "nodes/extensible.h"

extern const CustomScanMethods mtf_bind_scan_methods;

#endif /* MTF_EXEC_BIND_H */
