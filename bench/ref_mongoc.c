/*
 * ref_mongoc.c
 *	  The reference of the benchmark: the same pipeline, run by libmongoc from plain C.
 *
 * ref_mongoc --uri URI --ns DB.COLLECTION [--pipeline HEX] [--batch N] [--repeat N]
 *			  [--malloc default|raised] [--walk yes|no] [--each N --keys MAX] [--serve yes]
 *
 * Drains the cursor and, unless told otherwise, walks every field of every document with bson_iter
 * and reads its value: what a C program that uses the driver as documented cannot avoid.  Prints one
 * line of JSON per repetition.
 *
 * The pipeline is BSON in hexadecimal, {p: [stages]}: JSON would not do, since the driver's parser takes
 * the operator $type for an old form of binary data.
 *
 * With --each, runs the pipeline N times, each time with the int64 4242424242 in it replaced by a random
 * key below MAX, and prints the distribution of the latencies in microseconds.  With --serve, runs it
 * once for each key that comes in on a line, and answers with microseconds and documents: so that it can
 * take turns with others, run by run, at the same pace.
 *
 * --malloc raised: glibc keeps freed batches instead of giving them back to the kernel, which would
 * fault them in again for the next batch (half of the time, with default thresholds).
 */
#include <mongoc/mongoc.h>

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "clock.h"

#define KEY_MARK INT64_C(4242424242)

typedef struct Settings
{
	const char *uri;
	char *db;
	char *collection;
	const char *pipeline;
	int batch;
	int repeat;
	bool walk;
	int each;
	int64_t keys;
	bool serve;
} Settings;

/* {p: []} */
static Settings settings = {.pipeline = "0d00000004700005000000"
										"0000",
							.repeat = 1,
							.walk = true};

static void
die(const bson_error_t *error)
{
	fprintf(stderr, "ref_mongoc: %s\n", error->message);
	exit(1);
}

/* Read every value, so that nothing of the walk can be left out by the compiler. */
static uint64_t
walk(bson_iter_t *iter)
{
	uint64_t sum = 0;

	while (bson_iter_next(iter))
	{
		bson_iter_t child;
		uint32_t len = 0;
		double real;

		switch (bson_iter_type(iter))
		{
			case BSON_TYPE_UTF8: sum += (uint8_t) bson_iter_utf8(iter, &len)[0] + len; break;
			case BSON_TYPE_INT32: sum += (uint64_t) bson_iter_int32(iter); break;
			case BSON_TYPE_INT64: sum += (uint64_t) bson_iter_int64(iter); break;
			case BSON_TYPE_DATE_TIME: sum += (uint64_t) bson_iter_date_time(iter); break;
			case BSON_TYPE_BOOL: sum += bson_iter_bool(iter); break;
			case BSON_TYPE_OID: sum += bson_iter_oid(iter)->bytes[11]; break;
			case BSON_TYPE_DOUBLE:
				real = bson_iter_double(iter);
				sum += (uint64_t) (int64_t) real;
				break;
			case BSON_TYPE_DOCUMENT:
			case BSON_TYPE_ARRAY:
				if (bson_iter_recurse(iter, &child))
					sum += walk(&child);
				break;
			default: sum++; break;
		}
	}
	return sum;
}

static bson_t *
read_pipeline(void)
{
	size_t len = strlen(settings.pipeline) / 2;
	uint8_t *bytes = malloc(len + 1);
	bson_t *document;
	bson_t *pipeline = bson_new();
	bson_iter_t iter;
	const uint8_t *data;
	uint32_t array_len;
	bson_t array;

	for (size_t i = 0; i < len; i++)
	{
		unsigned int byte;

		if (sscanf(settings.pipeline + 2 * i, "%2x", &byte) != 1)
			break;
		bytes[i] = (uint8_t) byte;
	}
	document = bson_new_from_data(bytes, len);
	if (document == NULL || !bson_iter_init_find(&iter, document, "p") ||
		!BSON_ITER_HOLDS_ARRAY(&iter))
	{
		fprintf(stderr, "ref_mongoc: the pipeline is not {p: [...]} in hexadecimal BSON\n");
		exit(64);
	}
	bson_iter_array(&iter, &array_len, &data);
	(void) bson_init_static(&array, data, array_len);
	BSON_APPEND_ARRAY(pipeline, "pipeline", &array);
	bson_destroy(document);
	free(bytes);
	return pipeline;
}

static uint64_t
run(mongoc_collection_t *collection, const bson_t *pipeline, uint64_t *sum)
{
	bson_t opts = BSON_INITIALIZER;
	mongoc_cursor_t *cursor;
	const bson_t *doc;
	bson_error_t error;
	uint64_t documents = 0;

	if (settings.batch > 0)
		BSON_APPEND_INT32(&opts, "batchSize", settings.batch);
	cursor = mongoc_collection_aggregate(collection, MONGOC_QUERY_NONE, pipeline, &opts, NULL);
	while (mongoc_cursor_next(cursor, &doc))
	{
		bson_iter_t iter;

		documents++;
		if (settings.walk && bson_iter_init(&iter, doc))
			*sum += walk(&iter);
	}
	if (mongoc_cursor_error(cursor, &error))
		die(&error);
	mongoc_cursor_destroy(cursor);
	bson_destroy(&opts);
	return documents;
}

static void
run_repeated(mongoc_collection_t *collection)
{
	bson_t *pipeline = read_pipeline();

	for (int i = 0; i < settings.repeat; i++)
	{
		uint64_t sum = 0;
		double wall = wall_now();
		double cpu = cpu_now();
		uint64_t documents = run(collection, pipeline, &sum);

		printf("{\"wall\": %.6f, \"cpu\": %.6f, \"documents\": %llu, \"sum\": %llu}\n",
			   wall_now() - wall, cpu_now() - cpu, (unsigned long long) documents,
			   (unsigned long long) sum);
	}
	bson_destroy(pipeline);
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Where the key stands in the pipeline; NULL when it has none. */
static uint8_t *
find_key(const bson_t *pipeline)
{
	uint64_t mark = BSON_UINT64_TO_LE((uint64_t) KEY_MARK);

	return memmem(bson_get_data(pipeline), pipeline->len, &mark, sizeof mark);
}

static void
run_each(mongoc_collection_t *collection)
{
	double *micros = calloc((size_t) settings.each, sizeof *micros);
	bson_t *pipeline = read_pipeline();
	uint8_t *key = find_key(pipeline);
	uint64_t documents = 0;
	uint64_t sum = 0;

	srandom(20240101);
	for (int i = -20; i < settings.each; i++)
	{
		uint64_t little = BSON_UINT64_TO_LE((uint64_t) (random() % settings.keys));
		double wall;

		if (key != NULL)
			memcpy(key, &little, sizeof little);
		wall = wall_now();
		documents += run(collection, pipeline, &sum);
		if (i >= 0) /* the first ones only warm up */
			micros[i] = (wall_now() - wall) * 1e6;
	}
	qsort(micros, (size_t) settings.each, sizeof *micros, compare_doubles);
	printf("{\"p50\": %.1f, \"p99\": %.1f, \"n\": %d, \"documents\": %llu}\n",
		   micros[settings.each / 2], micros[(int) (settings.each * 0.99)], settings.each,
		   (unsigned long long) documents);
	bson_destroy(pipeline);
	free(micros);
}

/* One run for each line of input; a pipeline without a key is run as it is. */
static void
run_served(mongoc_collection_t *collection)
{
	bson_t *pipeline = read_pipeline();
	uint8_t *key = find_key(pipeline);
	uint64_t sum = 0;
	long long wanted;

	while (scanf("%lld", &wanted) == 1)
	{
		uint64_t little = BSON_UINT64_TO_LE((uint64_t) wanted);
		uint64_t documents;
		double wall;

		if (key != NULL)
			memcpy(key, &little, sizeof little);
		wall = wall_now();
		documents = run(collection, pipeline, &sum);
		printf("%.1f %llu\n", (wall_now() - wall) * 1e6, (unsigned long long) documents);
		fflush(stdout);
	}
	bson_destroy(pipeline);
}

static void
usage(void)
{
	fputs("ref_mongoc --uri URI --ns DB.COLLECTION [--pipeline HEX] [--batch N] [--repeat N]\n"
		  "           [--malloc default|raised] [--walk yes|no] [--each N --keys MAX]\n"
		  "           [--serve yes]\n",
		  stderr);
	exit(64);
}

static void
set_option(const char *name, char *value)
{
	if (strcmp(name, "--uri") == 0)
		settings.uri = value;
	else if (strcmp(name, "--ns") == 0 && strchr(value, '.') != NULL)
	{
		settings.db = value;
		settings.collection = strchr(value, '.') + 1;
		settings.collection[-1] = 0;
	}
	else if (strcmp(name, "--pipeline") == 0)
		settings.pipeline = value;
	else if (strcmp(name, "--batch") == 0)
		settings.batch = atoi(value);
	else if (strcmp(name, "--repeat") == 0)
		settings.repeat = atoi(value);
	else if (strcmp(name, "--each") == 0)
		settings.each = atoi(value);
	else if (strcmp(name, "--keys") == 0)
		settings.keys = atoll(value);
	else if (strcmp(name, "--serve") == 0)
		settings.serve = strcmp(value, "yes") == 0;
	else if (strcmp(name, "--walk") == 0)
		settings.walk = strcmp(value, "yes") == 0;
	else if (strcmp(name, "--malloc") == 0)
	{
		if (strcmp(value, "raised") == 0)
		{
			mallopt(M_MMAP_THRESHOLD, 1 << 30);
			mallopt(M_TRIM_THRESHOLD, 1 << 30);
			mallopt(M_TOP_PAD, 64 << 20);
		}
	}
	else
		usage();
}

int
main(int argc, char **argv)
{
	mongoc_client_t *client;
	mongoc_collection_t *collection;

	if (argc % 2 == 0)
		usage();
	for (int i = 1; i < argc; i += 2)
		set_option(argv[i], argv[i + 1]);
	if (settings.uri == NULL || settings.db == NULL || (settings.each > 0 && settings.keys <= 0))
		usage();
	mongoc_init();
	client = mongoc_client_new(settings.uri);
	if (client == NULL)
		usage();
	collection = mongoc_client_get_collection(client, settings.db, settings.collection);
	if (settings.serve)
		run_served(collection);
	else if (settings.each > 0)
		run_each(collection);
	else
		run_repeated(collection);
	mongoc_collection_destroy(collection);
	mongoc_client_destroy(client);
	mongoc_cleanup();
	return 0;
}
