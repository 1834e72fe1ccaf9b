/*
 * estimate.c
 *	  What planning may ask a server: how many documents a tenant has, and which indexes there are.
 *
 * What must not happen here: a figure about other tenants; a value of an index's options kept (the
 * filter of a partial index may hold one).
 */
#include "remote/estimate.h"

#define MTF_REMOTE_ROOM
#include "base/driver_compat.h"

#include "nodes/value.h"

#include "remote/describe.h"

#define MAX_INDEXES 1000 /* in one batch: a collection has at most 64 */

void
mtf_estimate_counts(MtfConnection *connection, const MtfPipeline *pipeline,
					const MtfCursorOptions *options, int n, int64 *counts)
{
	MtfCursor *cursor = mtf_cursor_open(connection, pipeline, options);
	MtfDocument document;
	bson_iter_t iter;

	memset(counts, 0, sizeof(int64) * n);
	while (mtf_cursor_next(cursor, &document))
	{
		mtf_pipeline_recheck(pipeline, document.data, document.len);
		for (int i = 0; i < n; i++)
			if (bson_iter_init_from_data(&iter, document.data, document.len) &&
				bson_iter_find(&iter, psprintf("a%d", i)))
				counts[i] = Max(bson_iter_as_int64(&iter), 0);
	}
	mtf_cursor_close(cursor);
}

/* ---- indexes ---- */

/* The paths of an index's key; NIL when it is no plain one. */
static List *
read_key(const bson_iter_t *index)
{
	List *paths = NIL;
	bson_iter_t key;

	if (!BSON_ITER_HOLDS_DOCUMENT(index) || !bson_iter_recurse(index, &key))
		return NIL;
	while (bson_iter_next(&key))
	{
		/* "text", "hashed", "2dsphere": no order. */
		if (!BSON_ITER_HOLDS_NUMBER(&key))
			return NIL;
		paths = lappend(paths, makeString(pstrdup(bson_iter_key(&key))));
	}
	return paths;
}

static List *
read_index(const bson_iter_t *element, bool *unique)
{
	static const char *const partial[] = {"partialFilterExpression", "sparse", "hidden",
										  "collation"};
	List *paths = NIL;
	bson_iter_t option;

	*unique = false;
	if (!BSON_ITER_HOLDS_DOCUMENT(element) || !bson_iter_recurse(element, &option))
		return NIL;
	while (bson_iter_next(&option))
	{
		const char *name = bson_iter_key(&option);

		for (int i = 0; i < lengthof(partial); i++)
			if (strcmp(name, partial[i]) == 0 &&
				!(BSON_ITER_HOLDS_BOOL(&option) && !bson_iter_bool(&option)))
				return NIL;
		if (strcmp(name, "key") == 0)
			paths = read_key(&option);
		else if (strcmp(name, "unique") == 0)
			*unique = BSON_ITER_HOLDS_BOOL(&option) && bson_iter_bool(&option);
	}
	return paths;
}

static bool
read_indexes(const uint8 *reply, uint32 len, List **indexes, List **unique)
{
	bson_iter_t iter;
	bson_iter_t batch;
	bson_iter_t index;
	bson_t doc;

	*indexes = *unique = NIL;
	if (!bson_init_static(&doc, reply, len) || !bson_iter_init(&iter, &doc) ||
		!bson_iter_find_descendant(&iter, "cursor.firstBatch", &batch) ||
		!BSON_ITER_HOLDS_ARRAY(&batch) || !bson_iter_recurse(&batch, &index))
		return false;
	while (bson_iter_next(&index))
	{
		bool is_unique;
		List *paths = read_index(&index, &is_unique);

		if (paths == NIL)
			continue;
		*indexes = lappend(*indexes, paths);
		*unique = lappend_int(*unique, is_unique);
	}
	return true;
}

static bool
append_list_indexes(bson_t *command, const char *collection)
{
	bson_t child;

	return BSON_APPEND_UTF8(command, "listIndexes", collection) &&
		   BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &child) &&
		   BSON_APPEND_INT32(&child, "batchSize", MAX_INDEXES) &&
		   bson_append_document_end(command, &child);
}

bool
mtf_estimate_indexes(MtfConnection *connection, const MtfScope *scope, const char *read_preference,
					 List **indexes, List **unique)
{
	MtfReply reply;

	return mtf_describe_ask(connection, scope, read_preference, "listIndexes", append_list_indexes,
							&reply) &&
		   read_indexes(reply.data, reply.len, indexes, unique);
}
