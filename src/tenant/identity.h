/*
 * identity.h
 *	  Token → verified identity, remembered by the token's SHA-256 for as long as nothing changed.
 *
 * A remembered identity is checked again at every use: its provider's generation and files, the
 * revocations, the settings that it was verified under, and the clock.
 */
#ifndef MTF_IDENTITY_H
#define MTF_IDENTITY_H

#include "base/compat.h"
#include "base/stat.h"

#include "auth/claims.h"

/* Clock skew, longest lifetime (0: any), longest token; see contract.md. */
extern int mtf_setting_leeway;
extern int mtf_setting_max_token_lifetime;
extern int mtf_setting_max_token_bytes;

#define MTF_TOKEN_HASH_LENGTH 32

typedef struct MtfTokenHash
{
	uint8 bytes[MTF_TOKEN_HASH_LENGTH];
} MtfTokenHash;

/* Why a token was refused: for the server's log and the counters, never for the client. */
typedef struct MtfDenial
{
	MtfStat stat;
	const char *why;
} MtfDenial;

/* Opaque but for its claims; immutable once made. */
typedef struct MtfIdentity MtfIdentity;

extern void mtf_identity_hash(const char *token, MtfTokenHash *hash);

/*
 * The identity of a token now; NULL and *denial when it has none.  The result may be gone at the next
 * call: pin it to keep it.  Raises only what reading catalogs raises.
 */
extern MtfIdentity *mtf_identity_verify(const char *token, const MtfTokenHash *hash,
										MtfDenial *denial);

extern void mtf_identity_pin(MtfIdentity *identity);
extern void mtf_identity_unpin(MtfIdentity *identity);

extern const MtfClaims *mtf_identity_claims(const MtfIdentity *identity);
extern const MtfTokenHash *mtf_identity_token_hash(const MtfIdentity *identity);

/* Was the identity's provider the one for tenant() without arguments? */
extern bool mtf_identity_is_local(const MtfIdentity *identity);

/* The tenant as a text datum in the database's encoding; lives as long as the identity. */
extern text *mtf_identity_tenant(const MtfIdentity *identity);

/* The payload as jsonb, made at first use; lives as long as the identity. */
extern Datum mtf_identity_payload(MtfIdentity *identity);

/* One line per check for check_token(): verifies in full, remembers nothing. */
extern void mtf_identity_check(const char *token, MtfChecklist *checks);

#endif /* MTF_IDENTITY_H */
