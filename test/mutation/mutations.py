"""One defence removed at a time, and the tests that must notice.

Each entry: name, file, what stands there (exactly once), what takes its place, tests (parts of names,
as test/run takes them) of which at least one must fail.
"""

MUTATIONS = [
    # -- the predicate: what is asked for
    ("predicate", "src/tenant/scope.c", "	if (scope->shared)\n		return;\n	conjunction", "	if (true)\n		return;\n	conjunction",
     "tap/poison"),
    ("predicate-index", "src/tenant/scope.c", "	if (!scope->shared && !scope->array)\n		append_value(scope, match, scope->field);", "	(void) scope;",
     "regress/scan"),
    ("predicate-type", "src/tenant/scope.c", "	append_condition(conjunction, n, scope->field, typed);\n", "", "tap/poison"),
    ("predicate-array", "src/tenant/scope.c", "	append_not_array(conjunction, n, scope->field);\n", "", "tap/poison"),
    ("predicate-path", "src/tenant/scope.c", "	append_prefixes(scope, conjunction, &n);\n", "	(void) append_prefixes;\n", "tap/poison tap/tenancy"),
    ("predicate-bytes", "src/tenant/scope.c", "	if (scope->compare_bytes)\n", "	if (false)\n", "tap/tenancy"),
    ("lookup-predicate", "src/pipeline/join_stages.c", "mtf_pipeline_begin(scope, &alone, join->terms, NIL, true);\n	int computed", "mtf_pipeline_begin(scope, &alone, join->terms, NIL, true);\n	child->stages.len = 4;\n	child->nstages = 0;\n	int computed", "tap/rogue"),
    ("unfound-predicate", "src/pipeline/join_stages.c", "mtf_pipeline_begin(scope, &alone, join->terms, NIL, true);\n	MtfJoin *back", "mtf_pipeline_begin(scope, &alone, join->terms, NIL, true);\n	child->stages.len = 4;\n	child->nstages = 0;\n	MtfJoin *back", "tap/rogue"),
    ("union-predicate", "src/pipeline/join_stages.c", "mtf_pipeline_begin(scope, &alone, join->terms, NIL, true);\n	int nkeys", "mtf_pipeline_begin(scope, &alone, join->terms, NIL, true);\n	child->stages.len = 4;\n	child->nstages = 0;\n	int nkeys", "tap/rogue"),
    ("explain-tenant", "src/tenant/scope.c", "BSON_APPEND_UTF8(to, key, \"<tenant>\");", "BSON_APPEND_UTF8(to, key, \"UA\");", "regress/scan"),

    # -- the recheck: what came back
    ("recheck", "src/tenant/scope.c", "	if (scope->recheck != NULL)\n", "	if (false)\n", "tap/rogue"),
    ("recheck-bytes", "src/tenant/recheck.c", "			memcmp(element->value, image->bytes, image->len) == 0)\n			return true;",
     "			true)\n			return true;", "tap/rogue tap/recheck"),
    ("recheck-type", "src/tenant/recheck.c", "element->type == image->type && element->len", "element->len", "tap/recheck tap/recheck_bytes"),
    ("recheck-twice", "src/tenant/recheck.c", "	if (finding.count > 1)\n", "	if (false)\n", "tap/recheck tap/rogue"),
    ("recheck-group", "src/pipeline/recheck.c", "			found |= recheck_group(pipeline, &document, rel);", "			found = true;", "tap/rogue"),
    ("recheck-group-high", "src/pipeline/recheck.c",
     "	recheck_inner(scope, document, mtf_group_tenant_name(rel, true), false);\n", "", "tap/rogue"),
    ("recheck-join", "src/pipeline/recheck.c", "			found |= recheck_inner(pipeline->scopes[rel], &document,",
     "			found = true;\n		if (false)\n			found |= recheck_inner(pipeline->scopes[rel], &document,", "tap/rogue"),
    ("recheck-join-neither", "src/pipeline/recheck.c", "	if (!found)\n", "	if (false)\n", "tap/rogue"),
    ("recheck-join-outer", "src/pipeline/recheck.c", "	for (int rel = 0; rel < pipeline->nscopes; rel++)",
     "	for (int rel = 1; rel < pipeline->nscopes; rel++)", "tap/rogue"),

    # -- the scope: who may
    ("providers-of-server", "src/tenant/scope.c", "		if (!contains_name(providers, claims->provider))",
     "		if (false && !contains_name(providers, claims->provider))", "pgtap/policies"),
    ("providers-absent", "src/tenant/policy.c", "	if (server->providers == NIL)", "	if (false)", "pgtap/policies tap/options tap/hosts"),
    ("tenant-type", "src/tenant/scope.c", "			return is_string ? NULL : \"tenant_type is string, the tenant claim is not\";",
     "			return NULL;", "pgtap/policies tap/tenancy"),
    ("tenant-uuid-spelling", "src/tenant/scope.c", "		else if (text[i] >= 'a' && text[i] <= 'f')\n			nibble = text[i] - 'a' + 10;",
     "		else if ((text[i] | 32) >= 'a' && (text[i] | 32) <= 'f')\n			nibble = (text[i] | 32) - 'a' + 10;", "pgtap/policies tap/tenancy"),
    ("policy-of-server", "src/tenant/policy.c", "		if (same_name != same_oid)\n", "		if (false)\n", "pgtap/policies tap/dump"),
    ("system-collections", "src/options/option.c", "	else if (pg_strncasecmp(name, \"system.\", 7) == 0 ||", "	else if (", "tap/options pgtap/policies"),

    # -- the binding: whose execution this is
    ("one-binding", "src/tenant/session.c", "	return binding != NULL ? binding : create_binding(estate->es_query_cxt, estate);",
     "	return create_binding(estate->es_query_cxt, estate);", "pgtap/session tap/session_model tap/identity"),
    ("identity-changed", "src/tenant/session.c", "	if (mtf_setting_token(&hash) == NULL ||\n		memcmp(",
     "	if (false && memcmp(", "pgtap/session"),
    ("run-hook", "src/tenant/session.c", "		check_unchanged(frame.binding);", "		(void) check_unchanged;", "pgtap/session tap/identity"),
    ("claims-read-anew", "src/tenant/session.c", "		strcmp(before->tenant, now->tenant) != 0)\n		raise_changed();",
     "		strcmp(before->tenant, now->tenant) != 0)\n		return;", "pgtap/session tap/identity"),
    ("with-hold", "src/tenant/session.c", "		refuse_held_portal();\n		identity", "		(void) refuse_held_portal;\n		identity", "pgtap/session"),
    ("commit-in-loop", "src/tenant/session.c", "			refuse_holding(queryDesc);", "			(void) refuse_holding;", "tap/identity"),
    ("pruned-early", "src/tenant/session.c", "	if (frame.asked && !(eflags & EXEC_FLAG_EXPLAIN_ONLY))", "	if (false)", "pgtap/session"),
    ("locked-rows", "src/tenant/session.c", "	estate = owning_estate(estate);", "	(void) owning_estate;", "tap/identity"),
    ("parallel-worker", "src/tenant/session.c", "	if (IsParallelWorker())\n		mtf_session_deny", "	if (false)\n		mtf_session_deny", "tap/identity"),
    ("token-scope", "src/tenant/session.c", "&& !mtf_setting_token_is_fresh())", "&& false)", "tap/identity tap/pools"),
    ("bypass-role", "src/tenant/session.c", "	return OidIsValid(role) && is_member_of_role(GetSessionUserId(), role);",
     "	return true;", "tap/identity"),
    ("bypass-ends", "src/tenant/session.c", "		if (!may_bypass())\n			raise_changed();", "		(void) 0;", "tap/identity"),
    ("checked-user", "src/rows/exec_scan.c", "mtf_scope_server(state->scopes[0]), mtf_compat_check_user(scan, estate));", "mtf_scope_server(state->scopes[0]), GetUserId());", "tap/peer"),

    # -- the setting: who sees the token
    ("mask-show", "src/tenant/setting.c", "mtf_setting_jwt[0] != '\\0' ? \"********\" : \"\";", "mtf_setting_jwt[0] != '\\0' ? mtf_setting_jwt : \"\";",
     "pgtap/masking"),
    ("mask-activity", "src/tenant/setting.c", "		may_hold_token(debug_query_string, token))\n		pgstat",
     "		false)\n		pgstat", "tap/identity pgtap/masking"),
    ("mask-statement", "src/tenant/setting.c", "		edata->hide_stmt = true;", "		(void) 0;", "tap/identity"),
    ("mask-context", "src/tenant/setting.c", "		edata->hide_ctx = true;", "		(void) 0;", "tap/identity"),
    ("stored-token", "src/tenant/setting.c", "	if (source_is_stored(source))\n", "	if (false && source_is_stored(source))\n", "pgtap/masking"),

    # -- identity: which token
    ("expiry", "src/tenant/identity.c", "	if (!mtf_claims_current(", "	if (false && !mtf_claims_current(", "tap/identity pgtap/session"),
    ("revocation", "src/tenant/identity.c", "	if (is_revoked(identity))\n", "	if (false && is_revoked(identity))\n", "pgtap/revocation"),
    ("revocation-tenant", "src/tenant/revocation.c", "		   probe_revocation(claims, \"tenant\", catalog_text(claims->tenant));",
     "		   false;", "pgtap/revocation"),
    ("revocation-seen", "src/tenant/identity.c", "	if (identity->revocation_generation != generation)", "	if (identity->revocation_generation + 1 == 0)",
     "pgtap/revocation tap/identity"),
    ("stale-verdict", "src/tenant/identity.c", "!mtf_provider_is_current(identity->serial, identity->provider)", "false", "pgtap/providers tap/identity"),
    ("shared-keys", "src/tenant/provider.c", "				!share_a_key(a->trust.keys, b->trust.keys))", "				true)", "pgtap/providers"),
    ("empty-audience", "src/tenant/provider.c", "			provider->why = \"a list of it has an empty element\";", "			(void) 0;", "tap/providers"),
    ("announce-as-replica", "mongo_tenant_fdw--0.1.sql", "ALTER TABLE mongo_tenant.revocation ENABLE ALWAYS TRIGGER announce_row;",
     "", "tap/identity"),
    ("public-tables", "mongo_tenant_fdw--0.1.sql", "REVOKE ALL ON mongo_tenant.provider, mongo_tenant.provider_key, mongo_tenant.revocation,\n\tmongo_tenant.policy FROM PUBLIC;",
     "GRANT SELECT ON mongo_tenant.provider TO PUBLIC;", "pgtap/providers"),

    # -- the token itself
    ("alg-allowed", "src/auth/claims.c", "	if (!(v->trust->algorithms & MTF_ALG_BIT(v->algorithm)))", "	if (false)", "tap/attacks tap/providers"),
    ("signature", "src/auth/claims.c", "	if (!mtf_signature_verify(&v->jws, v->algorithm, v->key))", "	if (false)", "tap/attacks"),
    ("kid", "src/auth/keyset.c", "		if (kid != NULL && (key->kid == NULL || strcmp(key->kid, kid) != 0))\n			continue;", "", "tap/attacks"),
    ("header", "src/auth/jws.c", "	{\"crit\", \"the header demands extensions (crit)\"},", "", "tap/attacks"),
    ("duplicate-names", "src/auth/strict.c", "JSON_REJECT_DUPLICATES, &error)", "0, &error)", "tap/attacks"),
    ("canonical-base64", "src/auth/strict.c", "	return bits == 0;", "	return true;", "tap/attacks"),
    ("depth", "src/auth/strict.c", "++depth > MTF_JSON_MAX_DEPTH", "++depth > 1000", "tap/attacks"),
    ("audience", "src/auth/claims.c", "	if (found == 0)\n", "	if (false)\n", "tap/attacks tap/providers"),
    ("times-integers", "src/auth/claims.c", "	if (!json_is_integer(claim))\n		return false;", "	if (!json_is_number(claim))\n		return false;", "tap/attacks"),
    ("nbf", "src/auth/claims.c", "	if (v->has_nbf && !already_valid(v->nbf, leeway, v->now))\n		return", "	if (false)\n		return", "tap/attacks"),
    ("lifetime", "src/auth/claims.c", "	if (rules->max_lifetime > 0 &&", "	if (false &&", "tap/attacks"),
    ("purpose", "src/auth/claims.c", "		(why = refused_purpose(v->jws.payload)) != NULL)", "		(why = NULL) != NULL)", "tap/attacks"),
    ("typ", "src/auth/claims.c", "		if (typ != NULL && !type_listed(typ, lengthof(usual), usual))", "		if (false)", "tap/attacks tap/providers"),
    ("tenant-claim-nul", "src/auth/claims.c", "	if (json_string_length(tenant) == 0)\n", "	if (false)\n", "tap/attacks"),
    ("tenant-claim-kind", "src/auth/claims.c", "	if (json_is_integer(tenant))\n		return NULL;\n	if (!json_is_string(tenant))",
     "	if (json_is_integer(tenant))\n		return NULL;\n	if (json_is_array(tenant))\n		v->tenant = tenant = json_array_get(tenant, 0);\n	if (!json_is_string(tenant))",
     "tap/attacks pgtap/policies"),
    ("weak-rsa", "src/auth/key.c", "#define RSA_MIN_BITS     2048", "#define RSA_MIN_BITS     512", "tap/attacks"),
    ("private-key", "src/auth/keyset.c", "	if (has_private_member(jwk) || json_object_get(jwk, \"k\") != NULL)", "	if (false && has_private_member(jwk))", "tap/attacks pgtap/providers"),

    # -- options
    ("superuser-options", "src/options/option.c", "#define SUPERUSER .superuser_only = true", "#define SUPERUSER .superuser_only = false", "tap/options"),
    ("owner-changed", "src/options/option.c", "	if (superuser_arg(server->owner))\n		return;", "	if (true)\n		return;", "tap/options"),
    ("allowed-hosts", "src/remote/stream.c", "	if (!network->restricted)\n", "	if (true)\n", "tap/hosts"),
    ("members-fail", "src/remote/stream.c", "	MtfStream *stream = create_stream(streams, host, allowed);",
     "	MtfStream *stream = allowed ? create_stream(streams, host, allowed) : NULL;", "tap/hosts"),

    # -- the wire
    ("response-to", "src/remote/stream.c", "	if (read_int32(head + 8) != stream->request_id)", "	if (false)", "tap/rogue tap/wire_faults"),
    ("namespace", "src/remote/cursor.c", "	if (!ns_ok)\n", "	if (false)\n", "tap/rogue tap/wire_faults"),
    ("cursor-id", "src/remote/cursor.c", "	if (cursor->id != 0 && id != 0 && id != cursor->id)", "	if (false)", "tap/rogue tap/wire_faults"),
    ("unbound-pipeline", "src/rows/exec_scan.c", "	if (eflags & EXEC_FLAG_EXPLAIN_ONLY)\n		return;\n", "", "tap/peer"),
]
