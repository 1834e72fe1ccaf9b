/*
 * provider.h
 *	  The providers (who signs tokens), with their keys, as the auth room wants them.
 *
 * All providers are read together and kept until the catalog or one of their files changes.  A
 * provider that cannot be used (bad key file, weak or shared key) is kept without keys: it denies.
 */
#ifndef MTF_PROVIDER_H
#define MTF_PROVIDER_H

#include "base/compat.h"
#include "base/key_dir.h"

#include "auth/claims.h"

typedef struct MtfProviderFile
{
	const char *name;    /* base name; NULL: none */
	const char *path;    /* NULL: not in a usable directory */
	MtfFileStamp stamp;  /* of what was read */
	int64 settled_after; /* seconds: until then a change may have kept the stamp; 0: settled */
} MtfProviderFile;

typedef struct MtfProvider
{
	MtfTrust trust;
	bool local;
	MtfProviderFile jwks_file;
	MtfProviderFile secret_file;
	const char *why; /* why it cannot be used; NULL: it can */
	bool keyless;    /* only because it has no key yet */
} MtfProvider;

/*
 * Read the providers again if they changed: the serial number of what is loaded.  Pointers to
 * providers are valid while the serial stays the same.
 */
extern uint64 mtf_provider_refresh(void);

/* Is `serial` still what is loaded, and `provider` (one of it) unchanged on disk?  Cheap. */
extern bool mtf_provider_is_current(uint64 serial, const MtfProvider *provider);

/* Of the providers loaded last. */
extern const MtfProvider *mtf_provider_find(const char *name);
extern const MtfProvider *mtf_provider_by_id(Oid id);

/* An MtfTrustLookup. */
extern const MtfTrust *mtf_provider_lookup(const char *issuer, void *arg);

/* Catalog text is in the database's encoding, tokens are UTF-8.  Both return a copy or the text. */
extern const char *mtf_text_to_utf8(const char *text);
extern const char *mtf_text_from_utf8(const char *text);

/* The same, but NULL instead of an error for what the database's encoding cannot hold. */
extern const char *mtf_text_try_from_utf8(const char *text);

#endif /* MTF_PROVIDER_H */
