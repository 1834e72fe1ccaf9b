/*
 * driver_compat.h
 *	  The only place with libbson and libmongoc version conditions (1.23 to 2.x).
 *
 * Every room may use libbson.  libmongoc is for the remote room alone, which defines MTF_REMOTE_ROOM
 * before it includes this file: elsewhere a call that reaches the server does not compile.
 */
#ifndef MTF_DRIVER_COMPAT_H
#define MTF_DRIVER_COMPAT_H

#include <bson/bson.h>

/* libbson 2: the plain name is deprecated, since it does not check the keys it is given. */
#ifndef BSON_APPEND_ARRAY_UNSAFE_BEGIN
#define BSON_APPEND_ARRAY_UNSAFE_BEGIN BSON_APPEND_ARRAY_BEGIN
#endif

#endif /* MTF_DRIVER_COMPAT_H */

/* Outside of the guard: a file of the remote room may come here through another room's header first. */
#if defined(MTF_REMOTE_ROOM) && !defined(MTF_DRIVER_COMPAT_MONGOC)
#define MTF_DRIVER_COMPAT_MONGOC
#include <mongoc/mongoc.h>
#endif
