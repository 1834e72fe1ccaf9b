/*
 * member.h
 *	  Conditions on jsonb columns: the text of a member, its casts, containment, keys.
 *
 * All of them are supersets: jsonb shows what BSON it is made of in more than one way.  NULL: no remote
 * form, and lowering->why may say the reason.
 */
#ifndef MTF_MEMBER_H
#define MTF_MEMBER_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/lowering.h"
#include "plan/shippable.h"

/* Is the node a member, its text, or a cast of one? */
extern bool mtf_is_member(Node *node);

/* The field of `column -> 'a' -> 'b'` (or ->>, #>, #>>): the column's path and the steps; NULL: it is none. */
extern MtfField *mtf_member_field(MtfLowering *lowering, Node *node);

/* One step down from such a field; false: the server would read the key as something else than a name. */
extern bool mtf_member_step(MtfField *field, const char *key);

/* member op value; with kind ANY or ALL, each of a list of values. */
extern MtfTerm *mtf_member_comparison(MtfLowering *lowering, MtfTermKind kind, MtfOp op,
									  Node *member, Node *value, Oid collation);

/* member [NOT] LIKE or ILIKE pattern */
extern MtfTerm *mtf_member_like(MtfLowering *lowering, MtfTermKind kind, MtfOp op, Node *member,
								Node *pattern, MtfPattern said, Oid collation);

/* member IS [NOT] NULL */
extern MtfTerm *mtf_member_null_test(MtfLowering *lowering, Node *member, bool is_null);

/* A member cast to boolean, alone. */
extern MtfTerm *mtf_member_truth(MtfLowering *lowering, Node *member, MtfOp op);

/* column @> value, column ? key, column ?| keys, column ?& keys, member = value */
extern MtfTerm *mtf_member_operator(MtfLowering *lowering, OpExpr *expr, const MtfShippable *row);

#endif /* MTF_MEMBER_H */
