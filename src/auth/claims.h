/*
 * claims.h
 *	  The one door of the auth room: text token → verified claims, or a reason why not.
 *
 * Order of work: strict front end (jws) → trust of its issuer → key by kid and algorithm (keyset) →
 * signature (jwt_verify) → claims.  Nothing of an unverified payload is used but `iss`, and that
 * only to choose the trust whose keys must then verify the whole.
 *
 * What must not happen here: ereport with a token's content, catalog access, network, files.
 */
#ifndef MTF_CLAIMS_H
#define MTF_CLAIMS_H

#include "base/compat.h"

#include "auth/keyset.h"

/* One check of a token, in the order in which they are made; names are shown by check_token(). */
typedef enum MtfCheck
{
	MTF_CHECK_STRUCTURE,
	MTF_CHECK_ISSUER, /* a provider for `iss` exists */
	MTF_CHECK_ALGORITHM,
	MTF_CHECK_KEY,
	MTF_CHECK_SIGNATURE,
	MTF_CHECK_TYPE, /* typ, azp */
	MTF_CHECK_AUDIENCE,
	MTF_CHECK_TIMES,    /* exp, nbf, iat, lifetime */
	MTF_CHECK_REQUIRED, /* required claims */
	MTF_CHECK_TENANT,
	MTF_CHECK_REVOCATION, /* made by the tenant room, listed here for its name */
	MTF_CHECK_COUNT
} MtfCheck;

typedef enum MtfCheckState
{
	MTF_CHECK_NOT_REACHED,
	MTF_CHECK_PASS,
	MTF_CHECK_FAIL
} MtfCheckState;

/* The checklist of one verification; `why` never quotes a value of the token. */
typedef struct MtfChecklist
{
	MtfCheckState state[MTF_CHECK_COUNT];
	const char *why[MTF_CHECK_COUNT]; /* static text; NULL when there is nothing to say */
} MtfChecklist;

/* What an administrator trusts: one provider, read from the catalog by the tenant room. */
typedef struct MtfTrust
{
	Oid id; /* tenant room's own identifier, copied to the claims */
	const char *name;
	const char *issuer;
	int naudiences; /* 0 only with any_audience */
	const char **audiences;
	bool any_audience;
	bool all_audiences;       /* every audience must be in `aud`, else one is enough */
	uint32 algorithms;        /* set of 1 << MtfAlgorithm; HS* only if listed on purpose */
	const char *tenant_claim; /* dotted path, `\.` escapes a dot */
	int nrequired;
	const char **required; /* top-level names (no paths) that must be present and not null */
	int ntyp;
	/*
	 * Allowed header typ, ASCII case and "application/" ignored; none: absent, "JWT" or "at+jwt".
	 * Tokens with the marks of an ID or logout token are refused unless the list has "id_token".
	 */
	const char **typ;
	int nazp;
	const char **azp;      /* allowed azp; 0: not checked */
	const MtfKeySet *keys; /* NULL: unusable (bad reload), denies */
} MtfTrust;

typedef struct MtfTimeRules
{
	int64 leeway;       /* seconds */
	int64 max_lifetime; /* seconds; 0: off */
	int max_bytes;      /* of the token */
} MtfTimeRules;

typedef enum MtfTenantKind
{
	MTF_TENANT_CLAIM_STRING,
	MTF_TENANT_CLAIM_INTEGER
} MtfTenantKind;

/* Verified claims; everything is palloc'd in the context of the call. */
typedef struct MtfClaims
{
	Oid trust_id;
	const char *provider;
	const char *issuer;
	const char *subject; /* NULL when missing, never empty */
	const char *jti;     /* NULL when missing, never empty */
	MtfTenantKind tenant_kind;
	const char *tenant; /* as text: never empty, no NUL, at most 1,024 bytes */
	int tenant_len;
	int64 tenant_integer; /* when MTF_TENANT_CLAIM_INTEGER */
	bool has_iat;
	int64 iat; /* seconds since 1970 */
	bool has_nbf;
	int64 nbf;
	int64 exp;
	const char *payload; /* the verified JSON text as it was signed: no duplicate names, no NUL */
} MtfClaims;

/*
 * Finds the trust of an issuer; NULL: none.  Must not raise for an unknown issuer.  Called once, with
 * text that nobody has verified yet, in a scratch memory context that is gone when the verification
 * ends: what is returned must live elsewhere.
 */
typedef const MtfTrust *(*MtfTrustLookup)(const char *issuer, void *arg);

/*
 * Verify `token` (len bytes, need not be NUL-terminated) at `now` (seconds since 1970, UTC).
 *
 * True: `claims` is filled and every check up to MTF_CHECK_TENANT passed.  False: `checks` names
 * the first one that failed and why.  Raises out-of-memory only.  Stops at the first failure.
 */
extern bool mtf_claims_verify(const char *token, size_t len, const MtfTimeRules *rules, int64 now,
							  MtfTrustLookup lookup, void *arg, MtfClaims *claims,
							  MtfChecklist *checks);

/* Is `path` a dotted path as MtfTrust.tenant_claim wants it?  For the functions that define providers. */
extern bool mtf_claim_path_valid(const char *path);

/* For diag(): the libraries that check signatures here; palloc'd. */
extern const char *mtf_claims_libraries(void);

/* The name of a check as check_token() shows it: "structure", "issuer", … */
extern const char *mtf_check_name(MtfCheck check);

/* Times again, for every later use of verified claims: false when expired or not yet valid. */
extern bool mtf_claims_current(int64 nbf, bool has_nbf, int64 exp, int64 leeway, int64 now);

#endif /* MTF_CLAIMS_H */
