/*
 * node.h
 *	  PostgreSQL's expression nodes: reading constants; making constants, calls, choices.
 *
 * Arguments become part of the new node: whoever uses one twice copies it.  Nothing here has a collation but
 * a text, which has the default one.
 */
#ifndef MTF_NODE_H
#define MTF_NODE_H

#include "base/compat.h"
#include "base/compat_planner.h"

/* A constant that is not NULL; NULL: another node. */
extern Const *mtf_node_constant(Node *node);

/* The text of such a constant of type text; NULL: another node. */
extern char *mtf_node_constant_text(Node *node);

extern bool mtf_node_is_null(Node *node);

extern Node *mtf_node_int4(int32 value);
extern Node *mtf_node_int8(int64 value);
extern Node *mtf_node_float8(double value);
extern Node *mtf_node_text(const char *value);

extern Node *mtf_node_numeric(const char *value);

/* What the type's own input function makes of a text, which must be one that it takes. */
extern Node *mtf_node_read(Oid type, const char *text);

/* function(args…), with the type that it gives */
extern Node *mtf_node_call(Oid function, Oid type, List *args);

/* count > 0, of an int8 */
extern Node *mtf_node_some(Node *count);

/* greatest(first, second) */
extern Node *mtf_node_greatest(Node *first, Node *second);

/* coalesce(first, second) */
extern Node *mtf_node_first_of(Node *first, Node *second);

/* CASE WHEN condition THEN result ELSE otherwise END; a NULL otherwise is left out */
extern Node *mtf_node_choose(Node *condition, Node *result, Node *otherwise);

#endif /* MTF_NODE_H */
