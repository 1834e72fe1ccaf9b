/*
 * shim.c
 *	  The few functions of the PostgreSQL server that the auth room calls, over malloc.
 *
 * With it the room runs outside a server: under libFuzzer, ASan and UBSan (every palloc is a malloc
 * of its own, so that one byte too far is seen), and in the attack suite's driver.  The room is
 * compiled against the real server headers.
 */
#include "base/compat.h"

#include "utils/memutils.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#undef vsnprintf
#undef fprintf

/* A memory context is a list of blocks, children and callbacks; nobody looks inside. */
typedef struct Block
{
	struct Block *next;
	struct Block *prev;
	struct ShimContext *owner;
	size_t size;
} Block;

typedef struct ShimContext
{
	Block blocks; /* ring */
	struct ShimContext *parent;
	struct ShimContext *child;
	struct ShimContext *sibling;
	MemoryContextCallback *callbacks;
} ShimContext;

static ShimContext top = {.blocks = {&top.blocks, &top.blocks, &top, 0}};

MemoryContext CurrentMemoryContext = (MemoryContext) &top;
MemoryContext TopMemoryContext = (MemoryContext) &top;

void *
MemoryContextAlloc(MemoryContext context, Size size)
{
	ShimContext *owner = (ShimContext *) context;
	Block *block = malloc(sizeof(Block) + size);

	if (block == NULL || size > MaxAllocSize)
		abort();
	block->owner = owner;
	block->size = size;
	block->next = owner->blocks.next;
	block->prev = &owner->blocks;
	block->next->prev = block;
	owner->blocks.next = block;
	memset(block + 1, 0x7f, size); /* as CLOBBER_FREED_MEMORY builds do */
	return block + 1;
}

void *
MemoryContextAllocZero(MemoryContext context, Size size)
{
	return memset(MemoryContextAlloc(context, size), 0, size);
}

void *
palloc(Size size)
{
	return MemoryContextAlloc(CurrentMemoryContext, size);
}

void *
palloc0(Size size)
{
	return MemoryContextAllocZero(CurrentMemoryContext, size);
}

void
pfree(void *pointer)
{
	Block *block = (Block *) pointer - 1;

	block->next->prev = block->prev;
	block->prev->next = block->next;
	free(block);
}

char *
MemoryContextStrdup(MemoryContext context, const char *string)
{
	size_t size = strlen(string) + 1;

	return memcpy(MemoryContextAlloc(context, size), string, size);
}

char *
pstrdup(const char *in)
{
	return MemoryContextStrdup(CurrentMemoryContext, in);
}

char *
pnstrdup(const char *in, Size len)
{
	char *copy;

	len = strnlen(in, len);
	copy = memcpy(palloc(len + 1), in, len);
	copy[len] = '\0';
	return copy;
}

char *
psprintf(const char *fmt, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	text = palloc(len + 1);
	va_start(args, fmt);
	vsnprintf(text, len + 1, fmt, args);
	va_end(args);
	return text;
}

void
MemoryContextRegisterResetCallback(MemoryContext context, MemoryContextCallback *cb)
{
	ShimContext *owner = (ShimContext *) context;

	cb->next = owner->callbacks;
	owner->callbacks = cb;
}

MemoryContext
AllocSetContextCreateInternal(MemoryContext parent, const char *name, Size minContextSize,
							  Size initBlockSize, Size maxBlockSize)
{
	ShimContext *context = calloc(1, sizeof(ShimContext));

	if (context == NULL)
		abort();
	context->blocks.next = context->blocks.prev = &context->blocks;
	context->parent = (ShimContext *) parent;
	context->sibling = context->parent->child;
	context->parent->child = context;
	return (MemoryContext) context;
}

void
MemoryContextDelete(MemoryContext context)
{
	ShimContext *dead = (ShimContext *) context;
	ShimContext **link = &dead->parent->child;

	while (dead->child != NULL)
		MemoryContextDelete((MemoryContext) dead->child);
	for (MemoryContextCallback *cb; (cb = dead->callbacks) != NULL;)
	{
		dead->callbacks = cb->next;
		cb->func(cb->arg);
	}
	while (dead->blocks.next != &dead->blocks)
		pfree(dead->blocks.next + 1);
	while (*link != dead)
		link = &(*link)->sibling;
	*link = dead->sibling;
	free(dead);
}

/* Errors: nothing that the room does under these harnesses may raise one. */
bool
errstart(int elevel, const char *domain)
{
	return true;
}

bool
errstart_cold(int elevel, const char *domain)
{
	return true;
}

int
errcode(int sqlerrcode)
{
	return 0;
}

int
errmsg(const char *fmt, ...)
{
	fprintf(stderr, "an error was raised: %s\n", fmt);
	return 0;
}

void
errfinish(const char *filename, int lineno, const char *funcname)
{
	abort();
}

int
pg_strcasecmp(const char *s1, const char *s2)
{
	return strcasecmp(s1, s2);
}

int
pg_strncasecmp(const char *s1, const char *s2, size_t n)
{
	return strncasecmp(s1, s2, n);
}

#ifndef HAVE_STRLCPY
size_t
strlcpy(char *dst, const char *src, size_t siz)
{
	size_t len = strlen(src);

	if (siz > 0)
	{
		size_t n = len < siz ? len : siz - 1;

		memcpy(dst, src, n);
		dst[n] = '\0';
	}
	return len;
}
#endif
