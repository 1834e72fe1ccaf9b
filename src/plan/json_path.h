/*
 * json_path.h
 *	  jsonpath conditions on jsonb columns: column @? path, column @@ path.
 */
#ifndef MTF_JSON_PATH_H
#define MTF_JSON_PATH_H

#include "base/compat.h"
#include "base/compat_planner.h"
#include "plan/lowering.h"
#include "plan/shippable.h"

/* A superset; NULL: the path says nothing that the server could test, and lowering->why says the reason. */
extern MtfTerm *mtf_json_path_operator(MtfLowering *lowering, OpExpr *expr,
									   const MtfShippable *row);

#endif /* MTF_JSON_PATH_H */
