/*
 * node.c
 *	  PostgreSQL's expression nodes: reading constants; making constants, calls, choices.
 *
 * What must not happen here: a node that says something about a column or a server.
 */
#include "plan/node.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

/* --- constants ------------------------------------------------------------------------------------------ */

Const *
mtf_node_constant(Node *node)
{
	return IsA(node, Const) && !castNode(Const, node)->constisnull ? castNode(Const, node) : NULL;
}

char *
mtf_node_constant_text(Node *node)
{
	const Const *constant = mtf_node_constant(node);

	return constant != NULL && constant->consttype == TEXTOID
			   ? TextDatumGetCString(constant->constvalue)
			   : NULL;
}

bool
mtf_node_is_null(Node *node)
{
	return IsA(node, Const) && castNode(Const, node)->constisnull;
}

Node *
mtf_node_int4(int32 value)
{
	return (Node *) makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(value), false,
							  true);
}

Node *
mtf_node_int8(int64 value)
{
	return (Node *) makeConst(INT8OID, -1, InvalidOid, sizeof(int64), Int64GetDatum(value), false,
							  FLOAT8PASSBYVAL);
}

Node *
mtf_node_float8(double value)
{
	return (Node *) makeConst(FLOAT8OID, -1, InvalidOid, sizeof(float8), Float8GetDatum(value),
							  false, FLOAT8PASSBYVAL);
}

Node *
mtf_node_text(const char *value)
{
	return (Node *) makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1, CStringGetTextDatum(value),
							  false, false);
}

Node *
mtf_node_numeric(const char *value)
{
	return mtf_node_read(NUMERICOID, value);
}

Node *
mtf_node_read(Oid type, const char *text)
{
	int16 length;
	bool by_value;
	Oid input;
	Oid parameter;

	getTypeInputInfo(type, &input, &parameter);
	get_typlenbyval(type, &length, &by_value);
	return (Node *) makeConst(type, -1, InvalidOid, length,
							  OidInputFunctionCall(input, unconstify(char *, text), parameter, -1),
							  false, by_value);
}

/* --- expressions ---------------------------------------------------------------------------------------- */

Node *
mtf_node_call(Oid function, Oid type, List *args)
{
	return (Node *) makeFuncExpr(function, type, args, InvalidOid, InvalidOid,
								 COERCE_EXPLICIT_CALL);
}

Node *
mtf_node_some(Node *count)
{
	return mtf_node_call(F_INT8GT, BOOLOID, list_make2(count, mtf_node_int8(0)));
}

Node *
mtf_node_greatest(Node *first, Node *second)
{
	MinMaxExpr *greatest = makeNode(MinMaxExpr);

	greatest->minmaxtype = exprType(first);
	greatest->op = IS_GREATEST;
	greatest->args = list_make2(first, second);
	greatest->location = -1;
	return (Node *) greatest;
}

Node *
mtf_node_first_of(Node *first, Node *second)
{
	CoalesceExpr *coalesce = makeNode(CoalesceExpr);

	coalesce->coalescetype = exprType(first);
	coalesce->args = list_make2(first, second);
	coalesce->location = -1;
	return (Node *) coalesce;
}

Node *
mtf_node_choose(Node *condition, Node *result, Node *otherwise)
{
	CaseExpr *choice = makeNode(CaseExpr);
	CaseWhen *when = makeNode(CaseWhen);
	Oid type = exprType(result);

	when->expr = (Expr *) condition;
	when->result = (Expr *) result;
	when->location = choice->location = -1;
	choice->casetype = type;
	choice->casecollid = exprCollation(result);
	choice->args = list_make1(when);
	choice->defresult = otherwise != NULL ? (Expr *) otherwise
										  : (Expr *) makeNullConst(type, -1, choice->casecollid);
	return (Node *) choice;
}
