/*
 * policy.c
 *	  Policies of collections, cached until the table changes.
 *
 * A policy is bound to its server by name and by OID.  Where the two disagree (the event triggers did
 * not run, pg_upgrade gave the server another OID) nobody can say whose policy it is: it denies.
 */
#include "tenant/policy.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "tenant/catalog.h"

#define BUCKETS 256 /* a power of two */

typedef struct PolicyRow
{
	struct PolicyRow *next; /* in its bucket */
	const char *server;
	Oid serverid;
	const char *database;
	const char *collection;
	bool valid; /* false: a value that no function of ours writes */
	MtfPolicy policy;
} PolicyRow;

typedef struct PolicySet
{
	MemoryContext context;
	uint64 generation;
	PolicyRow *buckets[BUCKETS];
} PolicySet;

static PolicySet *loaded = NULL;

static const char *const type_names[] = {
	[MTF_TENANT_STRING] = "string",
	[MTF_TENANT_INT] = "int",
	[MTF_TENANT_OBJECTID] = "objectid",
	[MTF_TENANT_UUID] = "uuid",
};

bool
mtf_tenant_type_parse(const char *name, MtfTenantType *type)
{
	int i;

	for (i = 0; i < lengthof(type_names); i++)
		if (strcmp(name, type_names[i]) == 0)
		{
			*type = (MtfTenantType) i;
			return true;
		}
	return false;
}

const char *
mtf_tenant_type_name(MtfTenantType type)
{
	return type_names[type];
}

bool
mtf_tenant_field_is_valid(const char *field, const char **why)
{
	if (!mtf_path_is_valid(field, why))
		return false;
	if (strcmp(field, ".") == 0)
	{
		*why = "a tenant field is a field, not the whole document";
		return false;
	}
	return true;
}

static uint32
bucket_of(const char *database, const char *collection)
{
	uint32 a = hash_bytes((const unsigned char *) database, strlen(database));
	uint32 b = hash_bytes((const unsigned char *) collection, strlen(collection));

	return hash_combine(a, b) & (BUCKETS - 1);
}

static void
read_policy(const MtfRow *row, void *arg)
{
	PolicySet *set = arg;
	PolicyRow *made = palloc0(sizeof(PolicyRow));
	MtfPolicy *policy = &made->policy;
	const char *type = mtf_row_text(row, MTF_POLICY_TYPE);
	const char *match = mtf_row_text(row, MTF_POLICY_MATCH);
	const char *ignored;
	uint32 bucket;

	made->server = mtf_row_text(row, MTF_POLICY_SERVER);
	made->serverid = DatumGetObjectId(MTF_ROW_DATUM(row, MTF_POLICY_SERVERID));
	made->database = mtf_row_text(row, MTF_POLICY_DATABASE);
	made->collection = mtf_row_text(row, MTF_POLICY_COLLECTION);
	policy->shared = mtf_row_bool(row, MTF_POLICY_SHARED);
	policy->field = mtf_row_text(row, MTF_POLICY_FIELD);
	policy->array = match != NULL && strcmp(match, "array") == 0;
	made->valid = policy->shared
					  ? policy->field == NULL
					  : policy->field != NULL &&
							mtf_tenant_field_is_valid(policy->field, &ignored) && type != NULL &&
							mtf_tenant_type_parse(type, &policy->type) && match != NULL;

	bucket = bucket_of(made->database, made->collection);
	made->next = set->buckets[bucket];
	set->buckets[bucket] = made;
}

/* The policies as they are now. */
static PolicySet *
current_policies(void)
{
	uint64 generation = mtf_catalog_generation(MTF_TABLE_POLICY);
	MemoryContext context;
	MemoryContext old;
	PolicySet *set;

	if (loaded != NULL && loaded->generation == generation)
		return loaded;
	if (loaded != NULL)
	{
		context = loaded->context;
		loaded = NULL;
		MemoryContextDelete(context);
	}
	context = AllocSetContextCreate(CurrentMemoryContext, "mongo_tenant_fdw policies",
									ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(context);
	set = palloc0(sizeof(PolicySet));
	set->context = context;
	set->generation = generation;
	mtf_catalog_scan(MTF_TABLE_POLICY, NULL, read_policy, set);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, TopMemoryContext);
	return loaded = set;
}

static bool
deny(MtfPolicyDenial *denial, int sqlstate, const char *why)
{
	denial->sqlstate = sqlstate;
	denial->why = why;
	return false;
}

/* A collection's own policy.  False and denial->why set: denied; false without: it has none. */
static bool
find_own(const MtfServerOptions *server, const char *database, const char *collection,
		 MtfPolicy *policy, MtfPolicyDenial *denial)
{
	PolicyRow *row = current_policies()->buckets[bucket_of(database, collection)];
	bool found = false;

	for (; row != NULL; row = row->next)
	{
		bool same_name = strcmp(row->server, server->name) == 0;
		bool same_oid = row->serverid == server->serverid;

		if ((!same_name && !same_oid) || strcmp(row->database, database) != 0 ||
			strcmp(row->collection, collection) != 0)
			continue;
		if (same_name != same_oid)
			return deny(denial, ERRCODE_CONFIG_FILE_ERROR,
						"the collection's policy was made for another server of this name");
		if (!row->valid)
			return deny(denial, ERRCODE_CONFIG_FILE_ERROR, "the collection's policy is not valid");
		*policy = row->policy;
		found = true;
	}
	return found;
}

static bool
find_default(const MtfServerOptions *server, MtfPolicy *policy, MtfPolicyDenial *denial)
{
	if (server->tenant_field == NULL)
		return deny(denial, ERRCODE_INSUFFICIENT_PRIVILEGE,
					"the server has no tenant_field and the collection has no policy");
	if (!mtf_tenant_field_is_valid(server->tenant_field, &denial->why))
		return deny(denial, ERRCODE_CONFIG_FILE_ERROR, denial->why);
	policy->is_default = true;
	policy->field = server->tenant_field;
	policy->type = server->tenant_type;
	policy->array = server->tenant_array;
	return true;
}

bool
mtf_policy_find(const MtfServerOptions *server, const char *database, const char *collection,
				MtfPolicy *policy, MtfPolicyDenial *denial)
{
	const char *why;

	memset(policy, 0, sizeof(*policy));
	memset(denial, 0, sizeof(*denial));
	if (server->providers == NIL)
		return deny(denial, ERRCODE_INSUFFICIENT_PRIVILEGE, "the server names no providers");
	if (!mtf_database_name_is_valid(database, &why) ||
		!mtf_collection_name_is_valid(collection, &why))
		return deny(denial, ERRCODE_INSUFFICIENT_PRIVILEGE, why);
	if (!find_own(server, database, collection, policy, denial) &&
		(denial->why != NULL || !find_default(server, policy, denial)))
		return false;
	if (policy->field != NULL)
		policy->field = pstrdup(policy->field);
	return true;
}
