/*
 * guard.c
 *	  Library objects owned by a memory context.
 */
#include "base/guard.h"

#include "utils/memutils.h"

struct MtfGuard
{
	MemoryContextCallback callback;
	MtfDestroyer destroy;
	void *object; /* NULL: nothing held */
};

static void
guard_callback(void *arg)
{
	mtf_guard_release((MtfGuard *) arg);
}

MtfGuard *
mtf_guard_arm(MemoryContext context, MtfDestroyer destroy)
{
	MtfGuard *guard = MemoryContextAllocZero(context, sizeof(MtfGuard));

	guard->destroy = destroy;
	guard->callback.func = guard_callback;
	guard->callback.arg = guard;
	MemoryContextRegisterResetCallback(context, &guard->callback);
	return guard;
}

void *
mtf_guard_hold(MtfGuard *guard, void *object)
{
	Assert(guard->object == NULL);
	if (object == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	guard->object = object;
	return object;
}

void
mtf_guard_release(MtfGuard *guard)
{
	void *object = guard->object;

	/* The pointer is cleared first: a destroyer that fails half-way must not run twice. */
	guard->object = NULL;
	if (object != NULL)
		guard->destroy(object);
}

static void
destroy_bson(void *object)
{
	bson_destroy((bson_t *) object);
}

bson_t *
mtf_bson_create(MemoryContext context)
{
	MtfGuard *guard = mtf_guard_arm(context, destroy_bson);

	return mtf_guard_hold(guard, bson_new());
}
