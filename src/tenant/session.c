/*
 * session.c
 *	  Which identity an execution has, and that it keeps it.
 *
 * What must not happen here: two identities in one executor state; rows fetched under an identity
 * that the session no longer has; a tenant's rows kept beyond the transaction by a held cursor.
 */
#include "tenant/session.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "executor/execdesc.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/portal.h"

#include "base/error.h"
#include "tenant/catalog.h"

bool mtf_setting_bypass = false;
char *mtf_setting_bypass_role = NULL;

struct MtfBinding
{
	MtfBinding *next;      /* of all bindings of this backend */
	EState *estate;        /* NULL: outside of any execution */
	MtfIdentity *identity; /* pinned; NULL: bypass */
	MemoryContextCallback callback;
};

/* An ExecutorStart or ExecutorRun under way; innermost first. */
typedef struct RunFrame
{
	EState *estate;      /* NULL: it is just being made */
	MtfBinding *binding; /* NULL: not needed yet */
	bool asked;          /* the identity was asked for while starting */
	Portal portal;       /* that runs it; NULL: none */
	struct RunFrame *up;
} RunFrame;

/* An execution that called a function that read as a tenant: its rows may be the tenant's, too. */
typedef struct Caller
{
	struct Caller *next;
	EState *estate;
	MemoryContextCallback callback;
} Caller;

static MtfBinding *bindings = NULL;
static RunFrame *current_run = NULL;
static Caller *callers = NULL;

static ExecutorStart_hook_type prev_executor_start = NULL;
static ExecutorRun_hook_type prev_executor_run = NULL;

void
mtf_session_deny(MtfStat stat, const char *why)
{
	mtf_stat_add(stat, 1);
	mtf_audit_denial(why);
	mtf_error_raise_token();
}

/* The session's identity now, or 28000. */
static MtfIdentity *
require_identity(void)
{
	const MtfTokenHash *hash;
	const char *token = mtf_setting_token(&hash);
	MtfIdentity *identity;
	MtfDenial denial;

	if (token == NULL)
		mtf_session_deny(MTF_STAT_DENIED_MISSING, "no token is set");
	/* A worker's settings are a copy: it has neither our stamp nor the leader's binding. */
	if (IsParallelWorker())
		mtf_session_deny(MTF_STAT_DENIED_SCOPE, "a parallel worker has no identity");
	if (mtf_setting_token_scope == MTF_TOKEN_SCOPE_TRANSACTION && !mtf_setting_token_is_fresh())
		mtf_session_deny(MTF_STAT_DENIED_SCOPE,
						 "the token was not set in this transaction (mongo_tenant.token_scope)");
	identity = mtf_identity_verify(token, hash, &denial);
	if (identity == NULL)
		mtf_session_deny(denial.stat, denial.why);
	return identity;
}

bool
mtf_session_has_token(void)
{
	const MtfTokenHash *hash;

	return mtf_setting_token(&hash) != NULL;
}

/*
 * The setting alone is not enough: whoever logged in, SET ROLE or not, must be a member of the role
 * that the configuration file names.  Without such a role nobody may.
 */
static bool
may_bypass(void)
{
	Oid role;

	if (!mtf_setting_bypass || IsParallelWorker() || mtf_setting_bypass_role == NULL ||
		mtf_setting_bypass_role[0] == '\0')
		return false;
	/* A membership that ended is seen now, even where no table is opened. */
	AcceptInvalidationMessages();
	role = get_role_oid(mtf_setting_bypass_role, true);
	return OidIsValid(role) && is_member_of_role(GetSessionUserId(), role);
}

/* A held cursor's rows outlive every later check: they are read without running the executor. */
static void
refuse_held_portal(Portal portal)
{
	if (portal != NULL && (portal->cursorOptions & CURSOR_OPT_HOLD))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cursor WITH HOLD is not supported over a tenant's rows")));
}

static void
caller_gone(void *arg)
{
	Caller **link;

	for (link = &callers; *link != NULL; link = &(*link)->next)
		if (*link == arg)
		{
			*link = (*link)->next;
			break;
		}
}

static bool
is_caller(const EState *estate)
{
	const Caller *caller;

	for (caller = callers; caller != NULL; caller = caller->next)
		if (caller->estate == estate)
			return true;
	return false;
}

static void
mark_caller(EState *estate)
{
	Caller *caller;

	if (is_caller(estate))
		return;
	caller = MemoryContextAllocZero(estate->es_query_cxt, sizeof(Caller));
	caller->estate = estate;
	caller->next = callers;
	callers = caller;
	caller->callback.func = caller_gone;
	caller->callback.arg = caller;
	MemoryContextRegisterResetCallback(estate->es_query_cxt, &caller->callback);
}

/* A function may read through a cursor of its own: what holds its caller's rows holds what it read. */
static void
refuse_held_callers(const EState *estate)
{
	RunFrame *frame;

	refuse_held_portal(ActivePortal);
	for (frame = current_run; frame != NULL; frame = frame->up)
	{
		refuse_held_portal(frame->portal);
		if (frame->estate != NULL && frame->estate != estate)
			mark_caller(frame->estate);
	}
}

static void
binding_gone(void *arg)
{
	MtfBinding *binding = arg;
	MtfBinding **link;

	for (link = &bindings; *link != NULL; link = &(*link)->next)
		if (*link == binding)
		{
			*link = binding->next;
			break;
		}
	if (binding->identity != NULL)
		mtf_identity_unpin(binding->identity);
}

static MtfBinding *
find_binding(const EState *estate)
{
	MtfBinding *binding;

	for (binding = bindings; binding != NULL; binding = binding->next)
		if (binding->estate == estate)
			return binding;
	return NULL;
}

static MtfBinding *
create_binding(MemoryContext context, EState *estate)
{
	MtfIdentity *identity = NULL;
	MtfBinding *binding;

	/* Every use of the bypass is logged, whatever mongo_tenant.audit says. */
	if (may_bypass())
	{
		mtf_stat_add(MTF_STAT_BYPASSES, 1);
		mtf_audit_bypass();
	}
	else
	{
		refuse_held_callers(estate);
		identity = require_identity();
		mtf_stat_add(MTF_STAT_BINDINGS, 1);
	}

	binding = MemoryContextAllocZero(context, sizeof(MtfBinding));
	binding->estate = estate;
	binding->identity = identity;
	if (identity != NULL)
		mtf_identity_pin(identity);
	binding->next = bindings;
	bindings = binding;
	binding->callback.func = binding_gone;
	binding->callback.arg = binding;
	MemoryContextRegisterResetCallback(context, &binding->callback);
	return binding;
}

/* A recheck of locked rows (EvalPlanQual) belongs to the execution that started it. */
static EState *
owning_estate(EState *estate)
{
	while (estate->es_epq_active != NULL && estate->es_epq_active->parentestate != NULL &&
		   estate->es_epq_active->parentestate != estate)
		estate = estate->es_epq_active->parentestate;
	return estate;
}

MtfBinding *
mtf_session_bind(EState *estate)
{
	MtfBinding *binding;

	estate = owning_estate(estate);
	binding = find_binding(estate);
	return binding != NULL ? binding : create_binding(estate->es_query_cxt, estate);
}

MtfBinding *
mtf_session_bind_now(void)
{
	return create_binding(CurrentMemoryContext, NULL);
}

const MtfIdentity *
mtf_binding_identity(const MtfBinding *binding)
{
	return binding->identity;
}

/*
 * A function's expression state lives in the context of the executor state that it belongs to; one
 * that belongs to no running execution (a PL/pgSQL assignment, the planner) stands for itself.
 */
MtfIdentity *
mtf_session_identity(FunctionCallInfo fcinfo)
{
	MemoryContext owner = fcinfo->flinfo->fn_mcxt;
	RunFrame *frame;

	for (frame = current_run; frame != NULL; frame = frame->up)
	{
		if (frame->estate == NULL)
		{
			frame->asked = true;
			break;
		}
		if (frame->estate->es_query_cxt != owner)
			continue;
		if (frame->binding == NULL)
			frame->binding = mtf_session_bind(frame->estate);
		if (frame->binding->identity != NULL)
			return frame->binding->identity;
		break;
	}
	return require_identity();
}

static void
raise_changed(void)
{
	mtf_stat_add(MTF_STAT_DENIED_CHANGED, 1);
	mtf_audit_denial("the identity changed under an open query");
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("the session's identity changed while this query was open")));
}

/* The same token as when the execution was bound, still good, and meaning the same; or still the bypass. */
static void
check_unchanged(const MtfBinding *binding)
{
	const MtfClaims *before;
	const MtfClaims *now;
	const MtfIdentity *identity;
	const MtfTokenHash *hash;

	if (binding->identity == NULL)
	{
		if (!may_bypass())
			raise_changed();
		return;
	}
	if (mtf_setting_token(&hash) == NULL ||
		memcmp(hash, mtf_identity_token_hash(binding->identity), sizeof(*hash)) != 0)
		raise_changed();
	identity = require_identity();
	if (identity == binding->identity)
		return;
	/* Verified anew: a provider may by now read another claim of the same token. */
	before = mtf_identity_claims(binding->identity);
	now = mtf_identity_claims(identity);
	if (strcmp(before->provider, now->provider) != 0 || before->tenant_kind != now->tenant_kind ||
		strcmp(before->tenant, now->tenant) != 0)
		raise_changed();
}

/* COMMIT inside a loop over a query keeps the rest of its rows: as WITH HOLD does. */
static void
refuse_holding(const QueryDesc *queryDesc)
{
	if (ActivePortal != NULL && ActivePortal->holdStore != NULL &&
		ActivePortal->queryDesc == queryDesc)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a tenant's rows cannot be kept beyond the end of the transaction")));
}

/*
 * Partitions can be pruned by tenant() before the executor state is there to be bound: then it is
 * bound as soon as it is.
 */
static void
session_executor_start(QueryDesc *queryDesc, int eflags)
{
	RunFrame frame = {.portal = ActivePortal, .up = current_run};

	current_run = &frame;
	PG_TRY();
	{
		if (prev_executor_start != NULL)
			prev_executor_start(queryDesc, eflags);
		else
			standard_ExecutorStart(queryDesc, eflags);
	}
	PG_FINALLY();
	{
		current_run = frame.up;
	}
	PG_END_TRY();
	if (frame.asked && !(eflags & EXEC_FLAG_EXPLAIN_ONLY))
		(void) mtf_session_bind(queryDesc->estate);
}

static void
session_executor_run(MTF_EXECUTOR_RUN_PARAMETERS)
{
	RunFrame frame = {.estate = queryDesc->estate,
					  .binding = find_binding(queryDesc->estate),
					  .portal = ActivePortal,
					  .up = current_run};

	if ((frame.binding != NULL && frame.binding->identity != NULL) || is_caller(frame.estate))
		refuse_holding(queryDesc);
	if (frame.binding != NULL)
		check_unchanged(frame.binding);
	current_run = &frame;
	PG_TRY();
	{
		if (prev_executor_run != NULL)
			prev_executor_run(MTF_EXECUTOR_RUN_ARGUMENTS);
		else
			standard_ExecutorRun(MTF_EXECUTOR_RUN_ARGUMENTS);
	}
	PG_FINALLY();
	{
		current_run = frame.up;
	}
	PG_END_TRY();
}

void
mtf_session_init(void)
{
	mtf_stat_init();
	mtf_catalog_init();
	mtf_setting_init();
	prev_executor_start = ExecutorStart_hook;
	ExecutorStart_hook = session_executor_start;
	prev_executor_run = ExecutorRun_hook;
	ExecutorRun_hook = session_executor_run;
}
