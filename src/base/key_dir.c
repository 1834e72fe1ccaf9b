/*
 * key_dir.c
 *	  The one directory from which key, secret, password and TLS files are read, by base name.
 *
 * What must not happen here: a path that leaves the directory, or a file's content in a message.
 */
#include "base/key_dir.h"

#include <sys/stat.h>

#include "storage/fd.h"

char *mtf_setting_key_dir = "";

static void
check_mode(const char *path, const char *what)
{
	struct stat st;

	if (stat(path, &st) != 0)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("could not read %s", what),
						errdetail("%m.")));
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
						errmsg("%s can be written by group or others", what),
						errhint("Take away write permission from group and others.")));
}

char *
mtf_key_dir_path(const char *name)
{
	char *path;

	if (mtf_setting_key_dir == NULL || mtf_setting_key_dir[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR), errmsg("mongo_tenant.key_dir is not set")));
	if (name[0] == '\0' || name[0] == '.' || strpbrk(name, "/\\") != NULL)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
						errmsg("a file in mongo_tenant.key_dir must be given by its base name")));
	check_mode(mtf_setting_key_dir, "the directory of mongo_tenant.key_dir");
	path = psprintf("%s/%s", mtf_setting_key_dir, name);
	check_mode(path, psprintf("file \"%s\" in mongo_tenant.key_dir", name));
	return path;
}

char *
mtf_key_dir_read(const char *name, size_t max_len, size_t *len)
{
	FILE *file = AllocateFile(mtf_key_dir_path(name), PG_BINARY_R);
	char *content;

	if (file == NULL)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
						errmsg("could not read file \"%s\" in mongo_tenant.key_dir", name),
						errdetail("%m.")));
	content = palloc(max_len + 1);
	*len = fread(content, 1, max_len + 1, file);
	if (ferror(file) || *len > max_len)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("file \"%s\" in mongo_tenant.key_dir is unreadable or too long", name)));
	FreeFile(file);
	content[*len] = '\0';
	return content;
}
