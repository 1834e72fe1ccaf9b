/*
 * recheck_probe.c
 *	  The recheck of documents outside a server, over test/fuzz/shim.c: for test/tap/recheck_bytes.py.
 *
 * Reads lines, writes one line for each document ("ok", or why not):
 *
 *	new FIELD scalar|array string|int|objectid|uuid VALUE-IN-HEX	(int: in decimal)
 *	doc DOCUMENT-IN-HEX
 *	time N DOCUMENT-IN-HEX		nanoseconds per recheck
 *
 * Each document is a malloc of its exact size: under AddressSanitizer a read behind it ends the probe.
 */
#include "base/compat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tenant/recheck.h"

#undef printf
#undef sprintf

static uint8 *
from_hex(const char *hex, size_t *len)
{
	uint8 *bytes;
	size_t i;

	*len = strspn(hex, "0123456789abcdef") / 2;
	bytes = malloc(*len);
	for (i = 0; i < *len; i++)
	{
		unsigned int byte;

		sscanf(hex + 2 * i, "%2x", &byte);
		bytes[i] = byte;
	}
	return bytes;
}

static MtfRecheck *
create(char *line)
{
	char *field = strtok(line, " ");
	bool array = strcmp(strtok(NULL, " "), "array") == 0;
	char *type = strtok(NULL, " ");
	char *value = strtok(NULL, " ");
	MtfRecheck *recheck = mtf_recheck_create(field, array);
	size_t len;
	uint8 *bytes = from_hex(value, &len);

	if (strcmp(type, "string") == 0)
		mtf_recheck_accept_string(recheck, (char *) bytes, len);
	else if (strcmp(type, "int") == 0)
		mtf_recheck_accept_integer(recheck, strtoll(value, NULL, 10));
	else if (strcmp(type, "objectid") == 0)
		mtf_recheck_accept_objectid(recheck, bytes);
	else
		mtf_recheck_accept_uuid(recheck, bytes);
	free(bytes);
	return recheck;
}

static void
measure(MtfRecheck *recheck, char *line)
{
	long n = strtol(line, &line, 10);
	size_t len;
	uint8 *doc = from_hex(line + 1, &len);
	struct timespec from;
	struct timespec to;
	long i;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < n; i++)
		if (mtf_recheck_document(recheck, doc, len) != NULL)
			abort();
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.1f\n", ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / n);
	free(doc);
}

int
main(void)
{
	MtfRecheck *recheck = NULL;
	char *line = NULL;
	size_t size = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (getline(&line, &size, stdin) > 0)
	{
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "new ", 4) == 0)
			recheck = create(line + 4);
		else if (strncmp(line, "time ", 5) == 0)
			measure(recheck, line + 5);
		else if (strncmp(line, "doc ", 4) == 0)
		{
			size_t len;
			uint8 *doc = from_hex(line + 4, &len);
			const char *why = mtf_recheck_document(recheck, doc, len);

			puts(why == NULL ? "ok" : why);
			free(doc);
		}
	}
	free(line);
	return 0;
}
