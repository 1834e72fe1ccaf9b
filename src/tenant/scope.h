/*
 * scope.h
 *	  A verified permission to read one collection as one tenant: the only way to name a collection.
 *
 * MtfScope is opaque and has two constructors.  A scope belongs to one collection, so that the
 * policy of one collection can never be used on another.  The explain scope can be turned into a
 * pipeline for display; no cursor accepts it.
 */
#ifndef MTF_SCOPE_H
#define MTF_SCOPE_H

#include "base/compat.h"
#include "base/driver_compat.h"
#include "options/option.h"
#include "tenant/session.h"

typedef struct MtfScope MtfScope;

/*
 * The scope of a foreign table's collection for the tenant of `binding`.  Raises 42501 when the
 * policy (or its absence) says no, 28000 when the token's provider or tenant claim does not fit.
 * Lives in the current memory context.
 */
extern MtfScope *mtf_scope_create(MtfBinding *binding, Oid relid);

/* The same shape with "<tenant>" in the tenant's place, for EXPLAIN: needs no token. */
extern MtfScope *mtf_scope_create_for_explain(Oid relid);

/* False for an explain scope: the remote room refuses it. */
extern bool mtf_scope_is_bound(const MtfScope *scope);

extern Oid mtf_scope_server(const MtfScope *scope);
extern const char *mtf_scope_database(const MtfScope *scope);
extern const char *mtf_scope_collection(const MtfScope *scope);

/*
 * Append the mandatory predicate to the body of a $match (an empty document), as rule 3 words it:
 * {$and: [{t: {$eq: v}}, {t: {$type: T}}, {t: {$not: {$type: "array"}}}]}; nothing when shared.
 * Extra filters of the policy are in it too.
 */
extern void mtf_scope_append_match(const MtfScope *scope, bson_t *match);

/*
 * Append only the equality, {t: v} (v is a scalar, so this is $eq), for a stage in front that an index
 * can serve: it lets through whatever the predicate lets through.  Nothing when shared, or when the
 * field is an array.
 */
extern void mtf_scope_append_equality(const MtfScope *scope, bson_t *match);

/*
 * The tenant field's path, to be projected with every document; NULL when the collection's policy is
 * `shared`, or under a bypass: there is no tenant predicate.
 */
extern const char *mtf_scope_field(const MtfScope *scope);

/* What the audit line calls this access; "select" unless told. */
extern void mtf_scope_set_operation(MtfScope *scope, const char *operation);

/* Count a document that came back, for the audit line: once each, whatever is rechecked in it. */
extern void mtf_scope_count(const MtfScope *scope);

/*
 * Recheck a document that came back, before any column is decoded: exact type, exact bytes, one
 * tenant field only.  Raises XX001 (and writes an audit line) when it is not ours; never a row.
 * `doc` is a whole BSON document of `len` bytes, not validated yet: bounds are checked here.
 */
extern void mtf_scope_recheck(const MtfScope *scope, const uint8 *doc, uint32 len);

#endif /* MTF_SCOPE_H */
