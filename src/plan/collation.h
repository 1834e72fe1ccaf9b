/*
 * collation.h
 *	  Does a collation order text as its UTF-8 bytes do?
 */
#ifndef MTF_COLLATION_H
#define MTF_COLLATION_H

#include "base/compat.h"
#include "base/compat_planner.h"

/* True for C, POSIX, ucs_basic and C.UTF-8 (the database's default too). */
extern bool mtf_collation_is_byte_order(Oid collation);

#endif /* MTF_COLLATION_H */
