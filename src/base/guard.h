/*
 * guard.h
 *	  Library objects owned by a memory context: palloc first, library second.
 *
 * ereport(ERROR) longjmps past every free.  So the guard, with its armed reset callback, exists
 * before the library object does; whatever happens afterwards, the context destroys the object.
 */
#ifndef MTF_GUARD_H
#define MTF_GUARD_H

#include "base/compat.h"
#include "base/driver_compat.h"

typedef struct MtfGuard MtfGuard;

/* A typed wrapper per library: `static void destroy_x(void *p) { x_destroy((X *) p); }`. */
typedef void (*MtfDestroyer)(void *object);

/* Arm a guard in `context`; it holds nothing yet.  Can raise out-of-memory only. */
extern MtfGuard *mtf_guard_arm(MemoryContext context, MtfDestroyer destroy);

/* Hand `object` to an empty guard and return it; NULL raises out-of-memory. */
extern void *mtf_guard_hold(MtfGuard *guard, void *object);

/* Destroy now what the guard holds (nothing when it is empty); the guard can be used again. */
extern void mtf_guard_release(MtfGuard *guard);

/* An empty BSON document that lives as long as `context`. */
extern bson_t *mtf_bson_create(MemoryContext context);

#endif /* MTF_GUARD_H */
