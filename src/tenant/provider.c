/*
 * provider.c
 *	  Reading providers, their keys and their files.
 *
 * What must not happen here: half a key set (a bad part refuses all of its provider), a set kept in
 * use after its file went bad, an old set in use because reading the new one failed.
 */
#include "tenant/provider.h"

#include <time.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "tenant/catalog.h"

#define MAX_KEY_FILE_BYTES (1024 * 1024)

/* File times may tick as coarsely as this many seconds. */
#define SETTLING_SECONDS 2

typedef struct ProviderSet
{
	MemoryContext context;
	uint64 serial;
	uint64 generation;
	const char *key_dir; /* the setting when files were read */
	int n;
	MtfProvider *providers;
} ProviderSet;

typedef struct LoadState
{
	List *providers; /* of MtfProvider * */
	List *keys;      /* of KeyRow * */
} LoadState;

typedef struct KeyRow
{
	const char *provider;
	const char *kid;
	const char *jwk; /* one JWK as JSON, or */
	const char *pem; /* one public key */
} KeyRow;

static ProviderSet *loaded = NULL;
static uint64 last_serial = 0;

const char *
mtf_text_to_utf8(const char *text)
{
	return pg_server_to_any(text, strlen(text), PG_UTF8);
}

const char *
mtf_text_from_utf8(const char *text)
{
	return pg_any_to_server(text, strlen(text), PG_UTF8);
}

const char *
mtf_text_try_from_utf8(const char *text)
{
	MemoryContext context = CurrentMemoryContext;
	const char *volatile result = NULL;

	if (GetDatabaseEncoding() == PG_UTF8)
		return mtf_text_from_utf8(text);
	/* The conversion itself holds nothing that its error would leave behind. */
	PG_TRY();
	{
		result = mtf_text_from_utf8(text);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (geterrcode() != ERRCODE_UNTRANSLATABLE_CHARACTER)
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return result;
}

static const char *
row_utf8(const MtfRow *row, int attnum)
{
	char *text = mtf_row_text(row, attnum);

	return text == NULL ? NULL : mtf_text_to_utf8(text);
}

/* A list of names.  An empty one among them is none: it would match a token's empty text. */
static const char **
row_names(MtfProvider *provider, const MtfRow *row, int attnum, int *n)
{
	const char **texts = mtf_row_texts(row, attnum, n);
	int i;

	for (i = 0; i < *n; i++)
	{
		if (texts[i][0] == '\0')
			provider->why = "a list of it has an empty element";
		texts[i] = mtf_text_to_utf8(texts[i]);
	}
	return texts;
}

static void
read_algorithms(MtfProvider *provider, const MtfRow *row)
{
	const char **names;
	int n;
	int i;

	names = mtf_row_texts(row, MTF_PROVIDER_ALGORITHMS, &n);
	for (i = 0; i < n; i++)
	{
		MtfAlgorithm algorithm;

		if (mtf_algorithm_parse(names[i], &algorithm))
			provider->trust.algorithms |= MTF_ALG_BIT(algorithm);
		else
			provider->why = "it lists an algorithm that is not known";
	}
}

static void
read_provider(const MtfRow *row, void *arg)
{
	LoadState *state = arg;
	MtfProvider *provider = palloc0(sizeof(MtfProvider));
	MtfTrust *trust = &provider->trust;

	trust->name = mtf_row_text(row, MTF_PROVIDER_NAME);
	trust->issuer = row_utf8(row, MTF_PROVIDER_ISSUER);
	trust->audiences = row_names(provider, row, MTF_PROVIDER_AUDIENCE, &trust->naudiences);
	trust->any_audience = mtf_row_bool(row, MTF_PROVIDER_ANY_AUDIENCE);
	trust->all_audiences = mtf_row_bool(row, MTF_PROVIDER_ALL_AUDIENCES);
	trust->tenant_claim = row_utf8(row, MTF_PROVIDER_TENANT_CLAIM);
	trust->required = row_names(provider, row, MTF_PROVIDER_REQUIRED_CLAIMS, &trust->nrequired);
	trust->typ = row_names(provider, row, MTF_PROVIDER_TYP, &trust->ntyp);
	trust->azp = row_names(provider, row, MTF_PROVIDER_AZP, &trust->nazp);
	provider->local = mtf_row_bool(row, MTF_PROVIDER_LOCAL);
	provider->jwks_file.name = mtf_row_text(row, MTF_PROVIDER_JWKS_FILE);
	provider->secret_file.name = mtf_row_text(row, MTF_PROVIDER_SECRET_FILE);
	read_algorithms(provider, row);
	state->providers = lappend(state->providers, provider);
}

static void
read_key(const MtfRow *row, void *arg)
{
	LoadState *state = arg;
	KeyRow *key = palloc0(sizeof(KeyRow));

	key->provider = mtf_row_text(row, MTF_KEY_PROVIDER);
	key->kid = row_utf8(row, MTF_KEY_KID);
	if (!MTF_ROW_NULL(row, MTF_KEY_JWK))
		key->jwk = mtf_text_to_utf8(
			DatumGetCString(DirectFunctionCall1(jsonb_out, MTF_ROW_DATUM(row, MTF_KEY_JWK))));
	key->pem = mtf_row_text(row, MTF_KEY_PEM);
	state->keys = lappend(state->keys, key);
}

/* Read one file of key_dir and remember what was read, so that a change is seen. */
static char *
read_file(MtfProviderFile *file, bool secret, size_t *len, const char **why)
{
	int64 now = (int64) time(NULL);
	const char *ignored;
	char *content;

	file->path = mtf_key_dir_locate(file->name, &ignored);
	content = mtf_key_dir_load(file->name, MAX_KEY_FILE_BYTES, secret, len, &file->stamp, why);
	if (content == NULL && file->path != NULL)
		mtf_key_dir_stamp(file->path, &file->stamp);
	/* Nor does anything tell that a directory was repaired. */
	if (file->path == NULL ||
		(file->stamp.exists && file->stamp.ctime.tv_sec + SETTLING_SECONDS >= now))
		file->settled_after = now + SETTLING_SECONDS;
	return content;
}

static bool
add_jwks_file(MtfKeySet *set, uint32 algorithms, MtfProviderFile *file, const char **why)
{
	bool secrets = (algorithms & ~MTF_ALG_ASYMMETRIC) != 0;
	size_t len;
	char *content = read_file(file, secrets, &len, why);
	bool ok;

	if (content == NULL)
		return false;
	if (secrets)
		mtf_keyset_allow_secrets(set);
	ok = mtf_keyset_add_jwks(set, content, len, why);
	explicit_bzero(content, len);
	pfree(content);
	return ok;
}

static bool
add_secret_file(MtfKeySet *set, uint32 algorithms, MtfProviderFile *file, const char **why)
{
	size_t len;
	char *content;
	bool ok;

	if ((algorithms & ~MTF_ALG_ASYMMETRIC) == 0)
	{
		*why = "a secret file needs HS256, HS384 or HS512 among the algorithms";
		return false;
	}
	content = read_file(file, true, &len, why);
	if (content == NULL)
		return false;
	ok = mtf_keyset_add_secret(set, NULL, content, len, why);
	explicit_bzero(content, len);
	pfree(content);
	return ok;
}

static bool
add_row(MtfKeySet *set, const KeyRow *row, const char **why)
{
	if (row->jwk != NULL)
		return mtf_keyset_add_jwks(set, row->jwk, strlen(row->jwk), why);
	return mtf_keyset_add_pem(set, row->kid, row->pem, strlen(row->pem), why);
}

/* All keys of a provider, or none: NULL and *why. */
static MtfKeySet *
collect_keys(MemoryContext context, MtfProvider *provider, const List *rows, const char **why)
{
	MtfKeySet *set = mtf_keyset_create(context);
	uint32 algorithms = provider->trust.algorithms;
	ListCell *cell;

	/* Keys of the catalog come first: secrets are allowed in files only. */
	foreach (cell, rows)
	{
		const KeyRow *row = lfirst(cell);

		if (strcmp(row->provider, provider->trust.name) == 0 && !add_row(set, row, why))
			return NULL;
	}
	if (provider->jwks_file.name != NULL &&
		!add_jwks_file(set, algorithms, &provider->jwks_file, why))
		return NULL;
	if (provider->secret_file.name != NULL &&
		!add_secret_file(set, algorithms, &provider->secret_file, why))
		return NULL;
	return set;
}

static void
load_keys(MemoryContext context, MtfProvider *provider, const List *rows)
{
	MtfTrust *trust = &provider->trust;
	const char *why = NULL;
	MtfKeySet *keys;

	/* Files are read even for an unusable provider: their stamps tell when to look again. */
	keys = collect_keys(context, provider, rows, &why);
	if (trust->naudiences == 0 && !trust->any_audience)
		why = "it has no audience";
	else if (!mtf_claim_path_valid(trust->tenant_claim))
		why = "its tenant_claim is not a path";
	else if (keys != NULL && mtf_keyset_count(keys) == 0)
	{
		why = "it has no key";
		provider->keyless = true;
	}
	if (provider->why == NULL)
		provider->why = why;
	trust->keys = provider->why == NULL ? keys : NULL;
}

static bool
share_a_key(const MtfKeySet *a, const MtfKeySet *b)
{
	int i;
	int j;

	for (i = 0; i < mtf_keyset_count(a); i++)
		for (j = 0; j < mtf_keyset_count(b); j++)
			if (strcmp(mtf_keyset_thumbprint(a, i), mtf_keyset_thumbprint(b, j)) == 0)
				return true;
	return false;
}

/* Who holds a key of two issuers could speak for both: neither is believed. */
static void
refuse_shared_keys(ProviderSet *set)
{
	int i;
	int j;

	for (i = 0; i < set->n; i++)
		for (j = i + 1; j < set->n; j++)
		{
			MtfProvider *a = &set->providers[i];
			MtfProvider *b = &set->providers[j];

			if (a->trust.keys == NULL || b->trust.keys == NULL ||
				!share_a_key(a->trust.keys, b->trust.keys))
				continue;
			a->why = b->why = "it shares a key with another provider";
		}
	for (i = 0; i < set->n; i++)
		if (set->providers[i].why != NULL)
			set->providers[i].trust.keys = NULL;
}

static ProviderSet *
load_providers(uint64 generation)
{
	/* Under the caller's context until it is complete, so that an error frees it. */
	MemoryContext context = AllocSetContextCreate(
		CurrentMemoryContext, "mongo_tenant_fdw providers", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ProviderSet *set = palloc0(sizeof(ProviderSet));
	LoadState state = {NIL, NIL};
	Snapshot snapshot;
	ListCell *cell;

	set->context = context;
	set->serial = ++last_serial;
	set->generation = generation;
	set->key_dir = pstrdup(mtf_setting_key_dir ? mtf_setting_key_dir : "");
	/* Keys and audience of one change belong together. */
	snapshot = mtf_catalog_snapshot(MTF_TABLE_PROVIDER);
	mtf_catalog_scan(MTF_TABLE_PROVIDER, snapshot, read_provider, &state);
	mtf_catalog_scan(MTF_TABLE_PROVIDER_KEY, snapshot, read_key, &state);
	mtf_catalog_release(snapshot);

	set->providers = palloc0(sizeof(MtfProvider) * Max(list_length(state.providers), 1));
	foreach (cell, state.providers)
	{
		MtfProvider *provider = &set->providers[set->n];

		*provider = *(MtfProvider *) lfirst(cell);
		provider->trust.id = ++set->n;
		load_keys(context, provider, state.keys);
	}
	refuse_shared_keys(set);
	MemoryContextSwitchTo(old);
	return set;
}

static void
log_unusable(const ProviderSet *set)
{
	int i;

	for (i = 0; i < set->n; i++)
		if (set->providers[i].why != NULL)
			ereport(LOG_SERVER_ONLY, (errmsg("mongo_tenant provider \"%s\" cannot be used: %s",
											 set->providers[i].trust.name, set->providers[i].why),
									  errhidestmt(true)));
}

static uint64
catalog_generation(void)
{
	return mtf_catalog_generation(MTF_TABLE_PROVIDER) +
		   mtf_catalog_generation(MTF_TABLE_PROVIDER_KEY);
}

static bool
file_is_current(const MtfProviderFile *file)
{
	MtfFileStamp now;

	if (file->name == NULL)
		return true;
	if (file->settled_after != 0 && (int64) time(NULL) > file->settled_after)
		return false;
	if (file->path == NULL)
		return true;
	mtf_key_dir_stamp(file->path, &now);
	return mtf_key_dir_same(&now, &file->stamp);
}

static bool
files_are_current(const MtfProvider *provider)
{
	return file_is_current(&provider->jwks_file) && file_is_current(&provider->secret_file);
}

/* Nothing but files can differ. */
static bool
set_is_current(const ProviderSet *set)
{
	return set != NULL && set->generation == catalog_generation() &&
		   strcmp(set->key_dir, mtf_setting_key_dir ? mtf_setting_key_dir : "") == 0;
}

bool
mtf_provider_is_current(uint64 serial, const MtfProvider *provider)
{
	return loaded != NULL && loaded->serial == serial && set_is_current(loaded) &&
		   files_are_current(provider);
}

uint64
mtf_provider_refresh(void)
{
	ProviderSet *fresh;
	bool current = set_is_current(loaded);
	int i;

	for (i = 0; current && i < loaded->n; i++)
		current = files_are_current(&loaded->providers[i]);
	if (current)
		return loaded->serial;

	/*
	 * The generation is taken before the tables are read: a change that arrives meanwhile makes the
	 * new set stale at once.  Until then nobody can be verified.
	 */
	if (loaded != NULL)
	{
		MemoryContext context = loaded->context;

		loaded = NULL;
		MemoryContextDelete(context);
	}
	fresh = load_providers(catalog_generation());
	MemoryContextSetParent(fresh->context, TopMemoryContext);
	loaded = fresh;
	log_unusable(fresh);
	return fresh->serial;
}

const MtfProvider *
mtf_provider_find(const char *name)
{
	int i;

	for (i = 0; loaded != NULL && i < loaded->n; i++)
		if (strcmp(loaded->providers[i].trust.name, name) == 0)
			return &loaded->providers[i];
	return NULL;
}

const MtfProvider *
mtf_provider_by_id(Oid id)
{
	return loaded != NULL && id >= 1 && id <= loaded->n ? &loaded->providers[id - 1] : NULL;
}

const MtfTrust *
mtf_provider_lookup(const char *issuer, void *arg)
{
	int i;

	for (i = 0; loaded != NULL && i < loaded->n; i++)
		if (strcmp(loaded->providers[i].trust.issuer, issuer) == 0)
			return &loaded->providers[i].trust;
	return NULL;
}
