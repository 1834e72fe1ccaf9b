/*
 * bson_order.c
 *	  The order in which documents bring their fields, learned from one and expected of the next.
 */
#include "base/bson_order.h"

#include "utils/memutils.h"

#define MAX_STEPS      4096
#define MAX_NAME       255 /* a longer one ends the learning */
#define FIRST_PATIENCE 16

void
mtf_order_init(MtfOrder *order, MemoryContext context)
{
	memset(order, 0, sizeof(*order));
	order->patience = FIRST_PATIENCE;
	order->context = context;
}

/* How many steps, and bytes of types and names, the order of these elements takes. */
static int
measure(const uint8 *at, const uint8 *end, Size *bytes)
{
	MtfElement element;
	int nsteps = 0;

	*bytes = 0;
	while (nsteps < MAX_STEPS && at < end && mtf_bson_read(&at, end, &element) &&
		   element.name_len <= MAX_NAME)
	{
		nsteps++;
		*bytes += element.name_len + 2;
	}
	return nsteps;
}

static void
forget(MtfOrder *order)
{
	order->nsteps = 0;
	order->walks = 1;
	order->misses = 0;
	if (order->steps == NULL)
		return;
	pfree(order->steps);
	pfree(order->bytes);
	order->steps = NULL;
	/* Where orders keep changing, learning must not cost more than searching. */
	order->patience *= 2;
}

/* `bytes` are the type and the name, which stay. */
static void
fill_step(MtfStep *step, const uint8 *bytes, uint32 size)
{
	unsigned char head[8] = {0};
	unsigned char mask[8] = {0};
	uint8 size_class = mtf_bson_sizes[bytes[0]];

	memcpy(head, bytes, Min(size, 8));
	memset(mask, 0xFF, Min(size, 8));
	step->head = mtf_load_native(head);
	step->mask = mtf_load_native(mask);
	step->tail = size > 8 ? mtf_load_native(bytes + size - 8) : 0;
	step->size = size;
	step->bytes = bytes;
	step->owner = NULL;
	step->type = bytes[0];
	step->skip = size_class <= 16              ? MTF_SKIP_FIXED
				 : size_class == MTF_SIZE_TEXT ? MTF_SKIP_TEXT
											   : MTF_SKIP_OTHER;
	step->least = size + (step->skip == MTF_SKIP_FIXED  ? size_class
						  : step->skip == MTF_SKIP_TEXT ? 5
														: 0);
	step->readable = Max(step->least, 8);
}

void
mtf_order_learn(MtfOrder *order, const uint8 *at, const uint8 *end)
{
	Size nbytes;
	int nsteps = measure(at, end, &nbytes);
	MtfElement element;
	uint8 *bytes;

	forget(order);
	order->steps = MemoryContextAlloc(order->context, (nsteps + 1) * sizeof(MtfStep));
	bytes = order->bytes = MemoryContextAlloc(order->context, Max(nbytes, 1));
	for (int i = 0; i < nsteps && mtf_bson_read(&at, end, &element); i++)
	{
		bytes[0] = element.type;
		memcpy(bytes + 1, element.name, element.name_len + 1);
		fill_step(&order->steps[i], bytes, element.name_len + 2);
		bytes += element.name_len + 2;
	}
	/* No element is that long. */
	memset(&order->steps[nsteps], 0, sizeof(MtfStep));
	order->steps[nsteps].least = PG_UINT32_MAX;
	order->steps[nsteps].readable = PG_UINT32_MAX;
	order->nsteps = nsteps;
}

bool
mtf_step_matches_last(const MtfStep *step, const uint8 *at, uint32 available)
{
	return step->least <= available && memcmp(at, step->bytes, step->size) == 0;
}

const MtfStep *
mtf_order_find(const MtfOrder *order, const MtfStep *from, const uint8 *at, const uint8 *end)
{
	const MtfStep *last = order->steps + order->nsteps;

	if (last - from > MTF_ORDER_LOOKAHEAD + 1)
		last = from + MTF_ORDER_LOOKAHEAD + 1;
	for (const MtfStep *step = from; step < last; step++)
		if (mtf_step_names(step, at, end))
			return step;
	return NULL;
}
