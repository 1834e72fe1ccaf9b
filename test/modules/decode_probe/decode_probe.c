/*
 * decode_probe.c
 *	  Options, recheck and decoder without a server: documents as bytea in, rows or verdicts out.
 *
 * For tests only.  The row type of a foreign table names the table whose options and columns count:
 *
 *	SELECT * FROM decode_probe(NULL::my_foreign_table, '\x05…', …);
 *
 * Every document is given to the decoder at the very end of a readable page, so that a read behind it
 * ends the backend instead of going unnoticed.
 */
#include "base/compat.h"
#include "base/driver_compat.h"

#include <sys/mman.h>
#include <unistd.h>

#include "access/htup_details.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

#include "options/cache.h"
#include "options/column.h"
#include "options/option.h"
#include "options/uri.h"
#include "rows/decode.h"
#include "tenant/recheck.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(decode_probe);
PG_FUNCTION_INFO_V1(decode_probe_uri);
PG_FUNCTION_INFO_V1(decode_probe_owners);
PG_FUNCTION_INFO_V1(decode_probe_table);
PG_FUNCTION_INFO_V1(decode_probe_recheck);
PG_FUNCTION_INFO_V1(decode_probe_bench);
PG_FUNCTION_INFO_V1(decode_probe_bench_libbson);
PG_FUNCTION_INFO_V1(decode_probe_fuzz);

/* Readable memory that ends where the next page may not be read. */
typedef struct Edge
{
	char *start;
	Size readable;
} Edge;

static void
destroy_edge(void *arg)
{
	Edge *edge = arg;

	munmap(edge->start, edge->readable + sysconf(_SC_PAGESIZE));
}

/* Lives as long as the current memory context. */
static Edge *
create_edge(Size need)
{
	Size page = sysconf(_SC_PAGESIZE);
	Edge *edge = palloc(sizeof(Edge));
	MemoryContextCallback *callback = palloc(sizeof(MemoryContextCallback));

	edge->readable = TYPEALIGN(page, need);
	edge->start = mmap(NULL, edge->readable + page, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (edge->start == MAP_FAILED || mprotect(edge->start + edge->readable, page, PROT_NONE) != 0)
		elog(ERROR, "no memory with an edge");
	callback->func = destroy_edge;
	callback->arg = edge;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return edge;
}

static uint8 *
place_at_edge(const Edge *edge, const void *data, Size len)
{
	char *at = edge->start + edge->readable - len;

	memcpy(at, data, len);
	return (uint8 *) at;
}

/* The foreign table of the first argument's row type, and a decoder of all its columns. */
static MtfDecoder *
create_decoder(FunctionCallInfo fcinfo, TupleDesc *tupdesc)
{
	Oid rowtype = get_fn_expr_argtype(fcinfo->flinfo, 0);
	const MtfColumnMap *map = mtf_column_map(get_typ_typrelid(rowtype));
	TupleDesc found;

	found = lookup_rowtype_tupdesc(rowtype, -1);
	*tupdesc = CreateTupleDescCopy(found);
	ReleaseTupleDesc(found);
	return mtf_decoder_create(map->natts, map->columns);
}

/* decode_probe(anyelement, VARIADIC bytea[]) RETURNS SETOF anyelement */
Datum
decode_probe(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext per_query = rsinfo->econtext->ecxt_per_query_memory;
	MemoryContext old = MemoryContextSwitchTo(per_query);
	TupleDesc tupdesc;
	MtfDecoder *decoder = create_decoder(fcinfo, &tupdesc);
	Tuplestorestate *store = tuplestore_begin_heap(true, false, work_mem);
	Datum *values = palloc(tupdesc->natts * sizeof(Datum));
	bool *isnull = palloc(tupdesc->natts * sizeof(bool));
	Datum *documents;
	bool *nulls;
	int n;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), BYTEAOID, -1, false, TYPALIGN_INT, &documents,
					  &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		bytea *document = DatumGetByteaPP(documents[i]);
		Size len = VARSIZE_ANY_EXHDR(document);

		mtf_decoder_row(decoder, place_at_edge(create_edge(len), VARDATA_ANY(document), len), len,
						values, isnull);
		tuplestore_putvalues(store, tupdesc, values, isnull);
	}
	rsinfo->returnMode = SFRM_Materialize;
	rsinfo->setResult = store;
	rsinfo->setDesc = tupdesc;
	MemoryContextSwitchTo(old);
	return (Datum) 0;
}

/* decode_probe_uri(text) RETURNS text: "srv local tls=… weak=…" or "refused: …" */
Datum
decode_probe_uri(PG_FUNCTION_ARGS)
{
	MtfUri uri;
	const char *why;
	char *result;

	if (!mtf_uri_parse(text_to_cstring(PG_GETARG_TEXT_PP(0)), &uri, &why))
		result = psprintf("refused: %s", why);
	else
		result = psprintf("%s%stls=%s weak=%s", uri.is_srv ? "srv " : "", uri.is_local ? "local " : "",
						  uri.tls_given ? (uri.tls ? "true" : "false") : "default",
						  uri.weak_option != NULL ? uri.weak_option : "none");
	PG_RETURN_TEXT_P(cstring_to_text(result));
}

/* decode_probe_owners(server oid, user oid) RETURNS void: what a connection would check */
Datum
decode_probe_owners(PG_FUNCTION_ARGS)
{
	mtf_options_check_owners(mtf_server_options(PG_GETARG_OID(0)),
							 mtf_user_options(PG_GETARG_OID(0), PG_GETARG_OID(1)));
	PG_RETURN_VOID();
}

/* decode_probe_table(regclass) RETURNS text: the table's options with the server's merged in */
Datum
decode_probe_table(PG_FUNCTION_ARGS)
{
	const MtfTableOptions *table = mtf_table_options(PG_GETARG_OID(0));

	PG_RETURN_TEXT_P(cstring_to_text(
		psprintf("%s.%s fetch=%d max=" INT64_FORMAT " read=%s updatable=%d trust=%d json=%d",
				 table->database, table->collection, table->fetch_size, table->max_time_ms,
				 table->read_preference, table->updatable, table->trust_types, table->json_format)));
}

/*
 * decode_probe_recheck(field text, is_array bool, tenant text, tenant_integer bigint, bytea[])
 * RETURNS text[]: "ok" or why not, of each document in turn by one recheck, which learns on the way.
 */
Datum
decode_probe_recheck(PG_FUNCTION_ARGS)
{
	MtfRecheck *recheck =
		mtf_recheck_create(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_BOOL(1));
	Edge *edge = create_edge(1 << 20);
	Datum *documents;
	Datum *verdicts;
	bool *nulls;
	int n;

	if (PG_ARGISNULL(3))
	{
		text *tenant = PG_GETARG_TEXT_PP(2);

		mtf_recheck_accept_string(recheck, VARDATA_ANY(tenant), VARSIZE_ANY_EXHDR(tenant));
	}
	else
		mtf_recheck_accept_integer(recheck, PG_GETARG_INT64(3));
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(4), BYTEAOID, -1, false, TYPALIGN_INT, &documents,
					  &nulls, &n);
	verdicts = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
	{
		Size len = VARSIZE_ANY_EXHDR(documents[i]);
		const char *why = mtf_recheck_document(
			recheck, place_at_edge(edge, VARDATA_ANY(documents[i]), len), len);

		verdicts[i] = CStringGetTextDatum(why == NULL ? "ok" : why);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(verdicts, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* decode_probe_bench(anyelement, bytea[], int) RETURNS float8: µs per document */
Datum
decode_probe_bench(PG_FUNCTION_ARGS)
{
	TupleDesc tupdesc;
	MtfDecoder *decoder = create_decoder(fcinfo, &tupdesc);
	Datum *values = palloc(tupdesc->natts * sizeof(Datum));
	bool *isnull = palloc(tupdesc->natts * sizeof(bool));
	MemoryContext per_row =
		AllocSetContextCreate(CurrentMemoryContext, "row", ALLOCSET_DEFAULT_SIZES);
	int rounds = PG_GETARG_INT32(2);
	Datum *documents;
	bool *nulls;
	int n;
	instr_time start;
	instr_time end;
	MemoryContext old;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), BYTEAOID, -1, false, TYPALIGN_INT, &documents,
					  &nulls, &n);
	old = MemoryContextSwitchTo(per_row);
	INSTR_TIME_SET_CURRENT(start);
	for (int round = 0, i = 0; round < rounds; round++, i = i + 1 == n ? 0 : i + 1)
	{
		MemoryContextReset(per_row);
		mtf_decoder_row(decoder, (uint8 *) VARDATA_ANY(documents[i]),
						VARSIZE_ANY_EXHDR(documents[i]), values, isnull);
	}
	INSTR_TIME_SET_CURRENT(end);
	MemoryContextSwitchTo(old);
	INSTR_TIME_SUBTRACT(end, start);
	PG_RETURN_FLOAT8(INSTR_TIME_GET_DOUBLE(end) * 1e6 / rounds);
}

/* decode_probe_bench_libbson(bytea[], int) RETURNS float8: µs per document, all fields walked */
Datum
decode_probe_bench_libbson(PG_FUNCTION_ARGS)
{
	int rounds = PG_GETARG_INT32(1);
	volatile int64 sum = 0;
	Datum *documents;
	bool *nulls;
	int n;
	instr_time start;
	instr_time end;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), BYTEAOID, -1, false, TYPALIGN_INT, &documents,
					  &nulls, &n);
	INSTR_TIME_SET_CURRENT(start);
	for (int round = 0, i = 0; round < rounds; round++, i = i + 1 == n ? 0 : i + 1)
	{
		bson_t document;
		bson_iter_t iter;
		uint32_t len;

		if (!bson_init_static(&document, (uint8 *) VARDATA_ANY(documents[i]),
							  VARSIZE_ANY_EXHDR(documents[i])) ||
			!bson_iter_init(&iter, &document))
			elog(ERROR, "libbson refuses the document");
		while (bson_iter_next(&iter))
		{
			if (BSON_ITER_HOLDS_UTF8(&iter))
				sum += bson_iter_utf8(&iter, &len)[0];
			else if (BSON_ITER_HOLDS_DOUBLE(&iter))
				sum += (int64) bson_iter_double(&iter);
			else
				sum += bson_iter_as_int64(&iter);
		}
	}
	INSTR_TIME_SET_CURRENT(end);
	(void) sum; /* it only keeps the compiler from dropping the walk */
	INSTR_TIME_SUBTRACT(end, start);
	PG_RETURN_FLOAT8(INSTR_TIME_GET_DOUBLE(end) * 1e6 / rounds);
}

/* A small generator of our own: the same seed gives the same documents everywhere. */
static uint32
next_random(uint64 *state)
{
	*state = *state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return (uint32) (*state >> 33);
}

/* Change a few bytes, a length, or the end of a document; the new length. */
static Size
mutate(uint8 *document, Size len, uint64 *state)
{
	static const uint32 lengths[] = {0,			 1,			 4,			 5,			0x7FFFFFFF,
									 0x80000000, 0xFFFFFFFF, 0xFFFFFFFB, 0x7FFFFFFB, 0x100};
	int changes = 1 + next_random(state) % 3;

	for (int i = 0; i < changes && len > 0; i++)
	{
		uint32 at = next_random(state) % len;

		switch (next_random(state) % 6)
		{
			case 0: document[at] = next_random(state); break;
			case 1: document[at] ^= 1 << (next_random(state) % 8); break;
			case 2:
				if (at + 4 <= len)
					memcpy(document + at, &lengths[next_random(state) % lengthof(lengths)], 4);
				break;
			case 3: /* cut, and keep the frame right so that the inside is reached */
				len = Max(at, 5);
				memcpy(document, &(uint32){len}, 4);
				document[len - 1] = 0;
				break;
			case 4: document[at] = next_random(state) % 0x15; break;
			case 5: document[at] = 0; break;
		}
	}
	if (next_random(state) % 4 != 0 && len >= 5)
	{
		memcpy(document, &(uint32){len}, 4);
		document[len - 1] = 0;
	}
	return len;
}

typedef struct Fuzz
{
	MtfDecoder *decoder;
	TupleDesc tupdesc;
	Datum *values;
	bool *isnull;
	Edge *edge;
	uint8 *copy;
	int64 decoded;
	int64 corrupt;
	int64 misfits;
} Fuzz;

/* Decode one mutated document and count what came; any other error goes on. */
static void
fuzz_one(Fuzz *fuzz, const uint8 *document, Size len)
{
	MemoryContext context = CurrentMemoryContext;

	PG_TRY();
	{
		mtf_decoder_row(fuzz->decoder, document, len, fuzz->values, fuzz->isnull);
		/* A value that lies about its size would be caught here. */
		heap_form_tuple(fuzz->tupdesc, fuzz->values, fuzz->isnull);
		fuzz->decoded++;
	}
	PG_CATCH();
	{
		int sqlstate = geterrcode();

		if (sqlstate == ERRCODE_DATA_CORRUPTED)
			fuzz->corrupt++;
		else if (ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_DATA_EXCEPTION)
			fuzz->misfits++;
		else
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
}

/*
 * decode_probe_fuzz(anyelement, bytea[], int, bigint) RETURNS text: counts of what came of mutated
 * documents.  Only rows, XX001 and class 22 may come.
 */
Datum
decode_probe_fuzz(PG_FUNCTION_ARGS)
{
	Fuzz fuzz = {0};
	MemoryContext per_row =
		AllocSetContextCreate(CurrentMemoryContext, "row", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = CurrentMemoryContext;
	int rounds = PG_GETARG_INT32(2);
	uint64 state = PG_GETARG_INT64(3);
	Datum *documents;
	bool *nulls;
	int n;

	fuzz.decoder = create_decoder(fcinfo, &fuzz.tupdesc);
	fuzz.values = palloc(fuzz.tupdesc->natts * sizeof(Datum));
	fuzz.isnull = palloc(fuzz.tupdesc->natts * sizeof(bool));
	fuzz.edge = create_edge(1 << 20);
	fuzz.copy = palloc(1 << 20);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), BYTEAOID, -1, false, TYPALIGN_INT, &documents,
					  &nulls, &n);
	for (int round = 0; round < rounds; round++)
	{
		Datum document = documents[next_random(&state) % n];
		Size len = VARSIZE_ANY_EXHDR(document);

		memcpy(fuzz.copy, VARDATA_ANY(document), len);
		len = mutate(fuzz.copy, len, &state);
		MemoryContextReset(per_row);
		MemoryContextSwitchTo(per_row);
		fuzz_one(&fuzz, place_at_edge(fuzz.edge, fuzz.copy, len), len);
		MemoryContextSwitchTo(old);
		CHECK_FOR_INTERRUPTS();
	}
	PG_RETURN_TEXT_P(cstring_to_text(psprintf(
		"rows " INT64_FORMAT ", invalid " INT64_FORMAT ", misfits " INT64_FORMAT, fuzz.decoded,
		fuzz.corrupt, fuzz.misfits)));
}
