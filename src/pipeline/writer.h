/*
 * writer.h
 *	  BSON written into palloc'd memory: it cannot leak, and it can take back what it wrote.
 *
 * A document is written in place: begin, elements, end.  `key` is NULL for the outermost document.
 */
#ifndef MTF_WRITER_H
#define MTF_WRITER_H

#include "base/compat.h"
#include "base/driver_compat.h"

#include "lib/stringinfo.h"

/* One value as it stands in BSON; made in literal.c, written here. */
typedef enum MtfLiteralType
{
	MTF_LITERAL_NULL,
	MTF_LITERAL_BOOL,
	MTF_LITERAL_INT64,
	MTF_LITERAL_DOUBLE,
	MTF_LITERAL_DECIMAL,
	MTF_LITERAL_STRING,
	MTF_LITERAL_DATE,
	MTF_LITERAL_OBJECTID,
	MTF_LITERAL_BINARY
} MtfLiteralType;

typedef struct MtfLiteral
{
	MtfLiteralType type;
	union
	{
		bool boolean;
		int64 integer; /* INT64, and DATE in milliseconds since 1970 */
		double number;
		bson_decimal128_t decimal;
		uint8 oid[12];
	} value;
	const char *data; /* STRING and BINARY; not copied */
	int len;
	uint8 subtype; /* BINARY */
} MtfLiteral;

/* A place in the output: to end a document, or to take back what was written since. */
typedef int MtfMark;

extern MtfMark mtf_write_begin(StringInfo out, const char *key);
extern MtfMark mtf_write_begin_array(StringInfo out, const char *key);
extern void mtf_write_end(StringInfo out, MtfMark mark);
extern void mtf_write_take_back(StringInfo out, MtfMark mark);

/* {key: {inner: {…}}} being written */
typedef struct MtfNest
{
	MtfMark outer;
	MtfMark inner;
} MtfNest;

extern MtfNest mtf_nest_begin(StringInfo out, const char *key, const char *inner);
extern void mtf_nest_end(StringInfo out, MtfNest nest);

extern void mtf_write_literal(StringInfo out, const char *key, const MtfLiteral *literal);
extern void mtf_write_int(StringInfo out, const char *key, int32 value);
extern void mtf_write_bool(StringInfo out, const char *key, bool value);
extern void mtf_write_null(StringInfo out, const char *key);
/* Words of the query language and field paths only: values go through literals. */
extern void mtf_write_word(StringInfo out, const char *key, const char *word);
/* An array of them; NULL at the end. */
extern void mtf_write_words(StringInfo out, const char *key, const char *const *words);
extern void mtf_write_regex(StringInfo out, const char *key, const char *pattern,
							const char *options);
/* A finished document, copied in. */
extern void mtf_write_document(StringInfo out, const char *key, const uint8 *data, uint32 len);

extern void mtf_write_array(StringInfo out, const char *key, const uint8 *data, uint32 len);

/* The key of element `i` of an array: valid until the next call. */
extern const char *mtf_array_key(int i);

#endif /* MTF_WRITER_H */
