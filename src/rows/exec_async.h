/*
 * exec_async.h
 *	  Scans under one Append that run at once (PostgreSQL 14 and newer; server option async_capable).
 */
#ifndef MTF_EXEC_ASYNC_H
#define MTF_EXEC_ASYNC_H

#include "base/compat.h"

#include "foreign/fdwapi.h"

/* Set the callbacks of asynchronous execution, where PostgreSQL has them. */
extern void mtf_exec_async_set(FdwRoutine *routine);

#endif /* MTF_EXEC_ASYNC_H */
