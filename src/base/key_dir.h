/*
 * key_dir.h
 *	  The one directory from which key, secret, password and TLS files are read, by base name.
 */
#ifndef MTF_KEY_DIR_H
#define MTF_KEY_DIR_H

#include "base/compat.h"

/* mongo_tenant.key_dir, from the configuration file only; empty: no file is read. */
extern char *mtf_setting_key_dir;

/*
 * The full path of a file in it, palloc'd.  Raises F0000 when the setting is empty, the name is not a
 * base name, or the directory or the file can be written by group or others.
 */
extern char *mtf_key_dir_path(const char *name);

/* The content of such a file, palloc'd with a final NUL, at most max_len bytes.  Raises F0000. */
extern char *mtf_key_dir_read(const char *name, size_t max_len, size_t *len);

#endif /* MTF_KEY_DIR_H */
