/*
 * cost.c
 *	  What a remote scan is believed to cost.
 *
 * One command costs a round trip; the server looks at documents (with the tenant first in an index,
 * at those of the tenant only); each document that comes back is carried, checked and decoded.
 *
 * What must not happen here: network, tokens, figures about other tenants.
 */
#include "plan/cost.h"

#include "nodes/value.h"
#include "optimizer/cost.h"

const MtfFacts *(*mtf_facts_hook)(Oid relid, Oid userid) = NULL;
Bitmapset *(*mtf_validator_hook)(Oid relid, Oid userid) = NULL;
void (*mtf_sample_hook)(Oid relid, Oid userid, List *terms, List *values, double *fractions) = NULL;

bool
mtf_facts_has_unique_index(const MtfFacts *facts, const char *path)
{
	ListCell *cell;

	if (strcmp(path, "_id") == 0)
		return true;
	if (facts == NULL)
		return false;
	foreach (cell, facts->unique)
		if (strcmp(strVal(lfirst(cell)), path) == 0)
			return true;
	return false;
}

bool
mtf_facts_has_index(const MtfFacts *facts, const char *path)
{
	ListCell *cell;

	if (mtf_facts_has_unique_index(facts, path))
		return true;
	if (facts == NULL)
		return false;
	foreach (cell, facts->indexes)
		if (strcmp(strVal(linitial((List *) lfirst(cell))), path) == 0)
			return true;
	return false;
}

bool
mtf_cost_is_indexable(const MtfTerm *term)
{
	return term->field != NULL && term->args == NIL && term->op != MTF_OP_NE &&
		   term->op != MTF_OP_DISTINCT &&
		   (term->kind == MTF_TERM_COMPARE || term->kind == MTF_TERM_ANY ||
			(term->kind == MTF_TERM_LIKE && term->prefix));
}

typedef enum Service
{
	SERVES_NOT,
	SERVES_RANGE,
	SERVES_EQUALITY
} Service;

/* What an index on the path does for the terms. */
static Service
serve(const List *terms, const char *path)
{
	Service best = SERVES_NOT;
	const ListCell *cell;

	foreach (cell, terms)
	{
		const MtfTerm *term = lfirst(cell);
		Service service = SERVES_RANGE;

		if (!mtf_cost_is_indexable(term) || term->field->rel != 0 ||
			strcmp(term->field->path, path) != 0)
			continue;
		if (term->op == MTF_OP_EQ && term->kind != MTF_TERM_LIKE)
			service = SERVES_EQUALITY;
		best = Max(best, service);
	}
	return best;
}

List *
mtf_facts_choose_index(const MtfFacts *facts, const List *terms)
{
	List *best = NIL;
	int best_score = 0;
	ListCell *index;

	if (facts == NULL)
		return NIL;
	foreach (index, facts->indexes)
	{
		Service service = SERVES_EQUALITY;
		List *paths = NIL;
		int score = 0;
		ListCell *cell;

		foreach (cell, (List *) lfirst(index))
		{
			if (service == SERVES_EQUALITY)
				service = serve(terms, strVal(lfirst(cell)));
			else
				service = SERVES_NOT;
			if (service == SERVES_NOT)
				break;
			score += service == SERVES_EQUALITY ? 2 : 1;
			paths = lappend(paths, lfirst(cell));
		}
		if (score > best_score)
		{
			best_score = score;
			best = paths;
		}
	}
	return best;
}

/* Does an index bring documents in the order of the keys, all of them the same way round? */
static bool
index_is_in_order(const List *paths, const List *sort)
{
	const MtfSortKey *first = linitial(sort);

	if (list_length(paths) < list_length(sort))
		return false;
	for (int i = 0; i < list_length(sort); i++)
	{
		const MtfSortKey *key = list_nth(sort, i);

		if (!key->plain || key->field->rel != 0 || key->descending != first->descending ||
			strcmp(key->field->path, strVal(list_nth(paths, i))) != 0)
			return false;
	}
	return true;
}

bool
mtf_facts_have_order(const MtfFacts *facts, const List *terms, const List *sort)
{
	List *chosen = mtf_facts_choose_index(facts, terms);
	ListCell *index;

	if (facts == NULL || sort == NIL)
		return false;
	foreach (index, facts->indexes)
		if (index_is_in_order(lfirst(index), sort) &&
			(chosen == NIL ||
			 strcmp(strVal(linitial(chosen)), strVal(linitial((List *) lfirst(index)))) == 0))
			return true;
	return false;
}

/*
 * Prices are measured (test/tpch/grid.py, secantusd-rs): what PostgreSQL does with a document that comes, 0.0165 and
 * more, takes 5 us there, and 1 us is 0.0035.
 */
/* The server's work for a document that it looks at. */
#define REMOTE_DOCUMENT_COST 0.0075
/* Carrying one document costs as much as carrying so many bytes. */
#define DOCUMENT_BYTES 100.0

/* Of fdw_tuple_cost's 100 bytes half the cost is the document's, half the bytes'. */
static Cost
carry(const MtfPrices *prices, int width)
{
	return prices->tuple * (DOCUMENT_BYTES + width) / (2 * DOCUMENT_BYTES);
}

MtfCost
mtf_cost_scan(const MtfPrices *prices, double documents, double retrieved, int width,
			  const QualCost *quals)
{
	MtfCost cost;

	cost.startup = prices->startup + quals->startup;
	cost.total = cost.startup + documents * REMOTE_DOCUMENT_COST +
				 retrieved * (carry(prices, width) + cpu_tuple_cost + quals->per_tuple);
	return cost;
}

/* Finding partners by an index, for one document. */
#define REMOTE_LOOKUP_COST 0.15

Cost
mtf_cost_lookup(double rows, double documents, bool indexed)
{
	return rows * (indexed ? REMOTE_LOOKUP_COST : documents * REMOTE_DOCUMENT_COST);
}

/*
 * Putting a document into its group, and making a joined one of a group: several stages each, which cost
 * a server more than it costs to send the document (measured: secantusd-rs, TPC-H).  In operators.
 */
#define GROUP_OPERATORS 25
#define PAIR_OPERATORS  36
/* A document that is looked at inside $unionWith (measured: TPC-H Q12, 13 s against 4 s with the larger one outside). */
#define UNION_DOCUMENT_COST (3 * REMOTE_DOCUMENT_COST)

Cost
mtf_cost_union(const MtfPrices *prices, double rows, double looked_at, double partners,
			   double joined)
{
	return looked_at * UNION_DOCUMENT_COST +
		   prices->operation * ((rows + partners) * GROUP_OPERATORS + joined * PAIR_OPERATORS);
}
