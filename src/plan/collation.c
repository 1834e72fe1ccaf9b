/*
 * collation.c
 *	  Does a collation order text as its UTF-8 bytes do?
 *
 * PostgreSQL itself knows C and POSIX.  C.UTF-8 orders by code point, which in UTF-8 is byte order:
 * found by its name, of a collation of pg_catalog or of the database's default.
 */
#include "plan/collation.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_database.h"
#include "catalog/pg_namespace.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

static bool
is_c_utf8(const char *name)
{
	return pg_strcasecmp(name, "C.UTF-8") == 0 || pg_strcasecmp(name, "C.UTF8") == 0;
}

static bool
default_is_c_utf8(void)
{
	HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	bool result = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	if (mtf_compat_database_is_libc((Form_pg_database) GETSTRUCT(tuple)))
	{
		char *name = mtf_compat_database_collate(tuple);

		result = is_c_utf8(name);
	}
	ReleaseSysCache(tuple);
	return result;
}

static bool
named_c_utf8(Oid collation)
{
	HeapTuple tuple = SearchSysCache1(COLLOID, ObjectIdGetDatum(collation));
	Form_pg_collation form;
	bool result;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_collation) GETSTRUCT(tuple);
	result = form->collnamespace == PG_CATALOG_NAMESPACE &&
			 form->collprovider == COLLPROVIDER_LIBC && is_c_utf8(NameStr(form->collname));
	ReleaseSysCache(tuple);
	return result;
}

bool
mtf_collation_is_byte_order(Oid collation)
{
	if (!OidIsValid(collation))
		return false;
	if (mtf_compat_collate_is_c(collation))
		return true;
	return collation == DEFAULT_COLLATION_OID ? default_is_c_utf8() : named_c_utf8(collation);
}
