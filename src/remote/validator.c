/*
 * validator.c
 *	  listCollections, for the one collection of a scope.
 *
 * What must not happen here: another collection's options; a document of anybody.
 */
#include "remote/validator.h"

#define MTF_REMOTE_ROOM
#include "base/driver_compat.h"

#include "remote/describe.h"

/* {listCollections: 1, filter: {name: collection}, cursor: {}} */
static bool
append_command(bson_t *command, const char *collection)
{
	bson_t filter;
	bson_t cursor;

	return BSON_APPEND_INT32(command, "listCollections", 1) &&
		   BSON_APPEND_DOCUMENT_BEGIN(command, "filter", &filter) &&
		   BSON_APPEND_UTF8(&filter, "name", collection) &&
		   bson_append_document_end(command, &filter) &&
		   BSON_APPEND_DOCUMENT_BEGIN(command, "cursor", &cursor) &&
		   bson_append_document_end(command, &cursor);
}

/* The options of the collection in the reply, copied; NULL: it is not there, or no plain collection. */
static uint8 *
read_options(const uint8 *reply, uint32 size, const char *collection, uint32 *len)
{
	const uint8_t *data;
	bson_iter_t iter;
	bson_iter_t part;
	uint8 *copy;
	bson_t doc;

	if (!bson_init_static(&doc, reply, size) || !bson_iter_init(&iter, &doc) ||
		!bson_iter_find_descendant(&iter, "cursor.firstBatch.0.name", &part) ||
		!BSON_ITER_HOLDS_UTF8(&part) || strcmp(bson_iter_utf8(&part, NULL), collection) != 0)
		return NULL;
	if (!bson_iter_init(&iter, &doc) ||
		!bson_iter_find_descendant(&iter, "cursor.firstBatch.0.type", &part) ||
		!BSON_ITER_HOLDS_UTF8(&part) || strcmp(bson_iter_utf8(&part, NULL), "collection") != 0)
		return NULL;
	if (!bson_iter_init(&iter, &doc) ||
		!bson_iter_find_descendant(&iter, "cursor.firstBatch.0.options", &part) ||
		!BSON_ITER_HOLDS_DOCUMENT(&part))
		return NULL;
	bson_iter_document(&part, len, &data);
	copy = palloc(*len);
	memcpy(copy, data, *len);
	return copy;
}

uint8 *
mtf_validator_ask(MtfConnection *connection, const MtfScope *scope, const char *read_preference,
				  uint32 *len)
{
	MtfReply reply;

	/* Nothing said, nothing proven. */
	if (!mtf_describe_ask(connection, scope, read_preference, "listCollections", append_command,
						  &reply))
		return NULL;
	return read_options(reply.data, reply.len, mtf_scope_collection(scope), len);
}
