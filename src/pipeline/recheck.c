/*
 * recheck.c
 *	  The tenants of a document that came back: of its own, of each joined one, of a whole group.
 */
#include "base/compat.h"

#include "pipeline/stage.h"

/* A document without fields. */
static const uint8 empty[] = {5, 0, 0, 0, 0};

/*
 * The document that stands in a field; one without it is no tenant's, and fails the recheck, unless
 * the relation may be missing: then the answer is false.
 */
static bool
recheck_inner(const MtfScope *scope, const bson_t *document, const char *name, bool optional)
{
	const uint8_t *data = empty;
	uint32_t len = sizeof(empty);
	bson_iter_t iter;

	if (!bson_iter_init_find(&iter, document, name))
	{
		if (optional)
			return false;
	}
	else if (BSON_ITER_HOLDS_DOCUMENT(&iter))
		bson_iter_document(&iter, &len, &data);
	mtf_scope_recheck(scope, data, len);
	return true;
}

/* Does a group have documents of the relation at all?  Without any, its least tenant is null. */
static bool
has_tenant(const bson_t *document, const char *name, const char *field)
{
	bson_iter_t iter;
	bson_iter_t tenant;

	return !bson_iter_init(&iter, document) ||
		   !bson_iter_find_descendant(&iter, psprintf("%s.%s", name, field), &tenant) ||
		   !BSON_ITER_HOLDS_NULL(&tenant);
}

static bool
recheck_group(const MtfPipeline *pipeline, const bson_t *document, int rel)
{
	const MtfScope *scope = pipeline->scopes == NULL ? pipeline->scope : pipeline->scopes[rel];
	const char *field = mtf_scope_field(scope);
	char *lowest = mtf_group_tenant_name(rel, false);

	if (field == NULL)
		return true;
	if (bms_is_member(rel, pipeline->optional) && !has_tenant(document, lowest, field))
		return false;
	recheck_inner(scope, document, lowest, false);
	recheck_inner(scope, document, mtf_group_tenant_name(rel, true), false);
	return true;
}

void
mtf_pipeline_recheck(const MtfPipeline *pipeline, const uint8 *doc, uint32 len)
{
	bson_t document;
	bool found = false;

	mtf_scope_count(pipeline->scope);
	if (!pipeline->grouped && pipeline->scopes == NULL)
	{
		mtf_scope_recheck(pipeline->scope, doc, len);
		return;
	}
	if (!bson_init_static(&document, doc, len))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("the server sent invalid BSON")));
	for (int rel = 0; rel < pipeline->nscopes; rel++)
	{
		if (pipeline->grouped)
			found |= recheck_group(pipeline, &document, rel);
		else
			found |= recheck_inner(pipeline->scopes[rel], &document, mtf_relation_field(rel),
								   bms_is_member(rel, pipeline->optional));
	}
	/* Of a full join each side may be missing, but not both. */
	if (!found)
		mtf_scope_recheck(pipeline->scope, empty, sizeof(empty));
}
