/*
 * key_dir.c
 *	  Files of mongo_tenant.key_dir.
 *
 * Whoever can write the directory can replace a key: so a directory that group or world may write is
 * refused.  Symbolic links are followed (mounted secrets are links), and what they lead to is checked.
 */
#include "base/key_dir.h"

#include <fcntl.h>
#include <unistd.h>

#include "storage/fd.h"

char *mtf_setting_key_dir = "";

bool
mtf_key_dir_is_base_name(const char *name)
{
	const char *p;

	if (name[0] == '\0' || name[0] == '.' || strlen(name) >= NAME_MAX)
		return false;
	for (p = name; *p != '\0'; p++)
		if (*p == '/' || *p == '\\' || (unsigned char) *p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

char *
mtf_key_dir_locate(const char *name, const char **why)
{
	struct stat st;

	if (mtf_setting_key_dir == NULL || mtf_setting_key_dir[0] == '\0')
		*why = "mongo_tenant.key_dir is not set";
	else if (!mtf_key_dir_is_base_name(name))
		*why = "a file of mongo_tenant.key_dir is named by its base name";
	else if (!is_absolute_path(mtf_setting_key_dir))
		*why = "mongo_tenant.key_dir is not an absolute path";
	else if (stat(mtf_setting_key_dir, &st) != 0 || !S_ISDIR(st.st_mode))
		*why = "mongo_tenant.key_dir is not a directory that can be read";
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		*why = "mongo_tenant.key_dir is owned by neither the server's user nor root";
	else if (st.st_mode & (S_IWGRP | S_IWOTH))
		*why = "mongo_tenant.key_dir is writable by group or world";
	else
		return psprintf("%s/%s", mtf_setting_key_dir, name);
	return NULL;
}

static void
stamp_from_stat(MtfFileStamp *stamp, const struct stat *st)
{
	memset(stamp, 0, sizeof(*stamp));
	stamp->exists = true;
	stamp->device = st->st_dev;
	stamp->inode = st->st_ino;
	stamp->size = st->st_size;
#ifdef __APPLE__
	stamp->mtime = st->st_mtimespec;
	stamp->ctime = st->st_ctimespec;
#else
	stamp->mtime = st->st_mtim;
	stamp->ctime = st->st_ctim;
#endif
}

void
mtf_key_dir_stamp(const char *path, MtfFileStamp *stamp)
{
	struct stat st;

	if (stat(path, &st) == 0)
		stamp_from_stat(stamp, &st);
	else
		memset(stamp, 0, sizeof(*stamp));
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
mtf_key_dir_same(const MtfFileStamp *a, const MtfFileStamp *b)
{
	return a->exists == b->exists && a->device == b->device && a->inode == b->inode &&
		   a->size == b->size && same_time(&a->mtime, &b->mtime) && same_time(&a->ctime, &b->ctime);
}

/* Why an open file may not be used; NULL when it may. */
static const char *
refuse_file(const struct stat *st, size_t max, bool secret)
{
	if (!S_ISREG(st->st_mode))
		return "it is not a regular file";
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return "it is owned by neither the server's user nor root";
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return "it is writable by group or world";
	/* As for ssl_key_file: root may let the server's group read it. */
	if (secret && (st->st_mode & (st->st_uid == 0 ? S_IRWXO : S_IRWXG | S_IRWXO)))
		return "it is a secret that others may read";
	if (st->st_size > max)
		return "it is too large";
	return NULL;
}

/* Read until the end of the file; false when it cannot be read or grew past `max`. */
static bool
read_all(int fd, char *buffer, size_t max, size_t *len)
{
	*len = 0;
	for (;;)
	{
		ssize_t n = read(fd, buffer + *len, max + 1 - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			return true;
		*len += n;
		if (*len > max)
			return false;
	}
}

char *
mtf_key_dir_load(const char *name, size_t max, bool secret, size_t *len, MtfFileStamp *stamp,
				 const char **why)
{
	char *path = mtf_key_dir_locate(name, why);
	char *buffer = NULL;
	const char *refused;
	struct stat st;
	int fd;

	memset(stamp, 0, sizeof(*stamp));
	if (path == NULL)
		return NULL;
	/* A FIFO must not block the backend; the descriptor is closed on ERROR. */
	fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	pfree(path);
	if (fd < 0)
	{
		*why = psprintf("file \"%s\" of key_dir cannot be opened", name);
		return NULL;
	}
	if (fstat(fd, &st) != 0)
		refused = "it cannot be read";
	else
	{
		stamp_from_stat(stamp, &st);
		refused = refuse_file(&st, max, secret);
	}
	if (refused == NULL)
	{
		buffer = palloc(max + 2);
		if (!read_all(fd, buffer, max, len))
			refused = "it cannot be read";
		else
			buffer[*len] = '\0';
	}
	CloseTransientFile(fd);
	if (refused != NULL)
	{
		*why = psprintf("file \"%s\" of key_dir: %s", name, refused);
		return NULL;
	}
	return buffer;
}

static void
raise_unusable(const char *why)
{
	ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
					errmsg("a file of mongo_tenant.key_dir cannot be used"),
					errdetail_internal("%s", why)));
}

char *
mtf_key_dir_path(const char *name)
{
	const char *why;
	char *path = mtf_key_dir_locate(name, &why);
	struct stat st;

	if (path == NULL)
		raise_unusable(why);
	if (stat(path, &st) != 0)
		raise_unusable(psprintf("file \"%s\" of key_dir cannot be opened", name));
	why = refuse_file(&st, MaxAllocSize, false);
	if (why != NULL)
		raise_unusable(psprintf("file \"%s\" of key_dir: %s", name, why));
	return path;
}

char *
mtf_key_dir_read(const char *name, size_t max_len, size_t *len)
{
	MtfFileStamp stamp;
	const char *why;
	char *content = mtf_key_dir_load(name, max_len, false, len, &stamp, &why);

	if (content == NULL)
		raise_unusable(why);
	return content;
}
