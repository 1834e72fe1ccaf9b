/*
 * key_dir.h
 *	  Files of mongo_tenant.key_dir: the only place that keys, secrets and TLS files are read from.
 *
 * Files are named by base name, so that an option can never name a file elsewhere.
 */
#ifndef MTF_KEY_DIR_H
#define MTF_KEY_DIR_H

#include "base/compat.h"

#include <sys/stat.h>

/* mongo_tenant.key_dir, from the configuration file only; empty: no file is read. */
extern char *mtf_setting_key_dir;

/* What tells one state of a file from another without reading it. */
typedef struct MtfFileStamp
{
	bool exists;
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec mtime;
	struct timespec ctime;
} MtfFileStamp;

/* No slash, no leading dot, not empty, printable: false for anything that is not a plain name. */
extern bool mtf_key_dir_is_base_name(const char *name);

/* The full path of a file of key_dir after the directory was checked; NULL and *why otherwise. */
extern char *mtf_key_dir_locate(const char *name, const char **why);

/* One stat(2); never raises. */
extern void mtf_key_dir_stamp(const char *path, MtfFileStamp *stamp);
extern bool mtf_key_dir_same(const MtfFileStamp *a, const MtfFileStamp *b);

/*
 * Read a whole file (at most `max` bytes) into the current context, NUL-terminated.  NULL and *why
 * (palloc'd or static, names the file, never its content) when it cannot be used.  A secret must not
 * be readable by group or world; no file may be writable by them.  *stamp is what was read.
 */
extern char *mtf_key_dir_load(const char *name, size_t max, bool secret, size_t *len,
							  MtfFileStamp *stamp, const char **why);

/*
 * The same two for callers that cannot go on: raise F0000.  The path is of a file that may be used;
 * the content is at most max_len bytes, palloc'd with a final NUL.
 */
extern char *mtf_key_dir_path(const char *name);
extern char *mtf_key_dir_read(const char *name, size_t max_len, size_t *len);

#endif /* MTF_KEY_DIR_H */
