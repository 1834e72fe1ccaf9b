/*
 * combination.c
 *	  {$and: […]} and {$or: […]} of conditions in the match language.
 */
#include "pipeline/combination.h"

MtfCombination
mtf_combination_begin(StringInfo out, const char *key, bool any)
{
	MtfCombination all = {.out = out, .decisive = any ? MTF_ALWAYS : MTF_NEVER};

	all.condition = mtf_write_begin(out, key);
	all.list = mtf_write_begin_array(out, any ? "$or" : "$and");
	return all;
}

const char *
mtf_combination_key(const MtfCombination *all)
{
	return mtf_array_key(all->n);
}

void
mtf_combination_add(MtfCombination *all, MtfVerdict verdict)
{
	all->decided = verdict == all->decisive;
	all->n += verdict == MTF_SOME;
}

const char *
mtf_combination_next(MtfCombination *all)
{
	return mtf_array_key(all->n++);
}

MtfVerdict
mtf_combination_end(const MtfCombination *all)
{
	if (all->decided || all->n == 0)
	{
		mtf_write_take_back(all->out, all->condition);
		return all->decided == (all->decisive == MTF_ALWAYS) ? MTF_ALWAYS : MTF_NEVER;
	}
	mtf_write_end(all->out, all->list);
	mtf_write_end(all->out, all->condition);
	return MTF_SOME;
}
