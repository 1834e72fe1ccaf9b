/*
 * plan_private.h
 *	  What a plan says about its remote part: the only codec of ForeignScan.fdw_private.
 *
 * Extensible nodes with named fields, so that plans can be copied, compared and read back without
 * anybody counting list positions.  A plan holds no tenant and no token (architecture.md, rule 2).
 *
 * Clauses are lowered while planning into MtfTerm, a small tree that the pipeline room can turn into
 * BSON without ever failing: what can be sent is decided once, in this room, by types; how a value
 * is said is decided in the pipeline room, by values (a NaN, a NULL or an infinity changes the form).
 */
#ifndef MTF_PLAN_PRIVATE_H
#define MTF_PLAN_PRIVATE_H

#include "base/compat.h"
#include "options/column.h"

#include "nodes/extensible.h"
#include "nodes/plannodes.h"

/* How the remote and the local meaning of a clause relate (architecture.md, rule 4). */
typedef enum MtfShip
{
	MTF_SHIP_EXACT,    /* remote only, or remote and rechecked: the same rows */
	MTF_SHIP_SUPERSET, /* remote filter, and rechecked locally */
	MTF_SHIP_LOCAL,
	MTF_SHIP_JOIN /* the condition of a join that is made here; it may be a filter of the scan as well */
} MtfShip;

/* One line of EXPLAIN (VERBOSE): a clause, where it runs, and why. */
typedef struct MtfDecision
{
	ExtensibleNode node;
	MtfShip ship;
	Node *clause; /* NULL: `why` says all */
	char *why;    /* e.g. "collation en_US is not byte order"; NULL when exact */
} MtfDecision;

/* What is sent of a LIKE pattern, and so when the expression stands for all of it. */
#define MTF_PATTERN_MAX_WILDCARDS 2   /* runs of `%`, but for one at the end */
#define MTF_PATTERN_MAX_BYTES     400 /* escaped twice as long; a server takes expressions of 1,000 */

/*
 * Steps that a term may nest: each is written as two or more documents inside each other, and MongoDB
 * takes no more than 200, the command and the tests of a field included.
 */
#define MTF_MAX_HEIGHT 40

/* The kinds of MtfTerm.  The first group are conditions, the second values. */
typedef enum MtfTermKind
{
	MTF_TERM_TRUE,
	MTF_TERM_FALSE,
	MTF_TERM_AND,
	MTF_TERM_OR,
	MTF_TERM_COMPARE,  /* field op value */
	MTF_TERM_ANY,      /* field op ANY (value, an array) */
	MTF_TERM_ALL,      /* field op ALL (value, an array) */
	MTF_TERM_NULL,     /* field IS NULL */
	MTF_TERM_NOT_NULL, /* field IS NOT NULL */
	MTF_TERM_TRUTH,    /* boolean field: op says which of IS [NOT] TRUE, IS [NOT] FALSE */
	MTF_TERM_LIKE,     /* field [NOT] LIKE value: op is EQ or NE */
	MTF_TERM_ILIKE,
	MTF_TERM_JSON_TEXT, /* the condition in args holds for the text of a jsonb member, or its cast */
	MTF_TERM_JSON_VALUE,    /* the condition in args holds for a jsonb member that is cast itself */
	MTF_TERM_JSON_CONTAINS, /* field @> value */
	MTF_TERM_JSON_ANY_KEY,  /* field ?| value, or field ? value */
	MTF_TERM_JSON_ALL_KEYS, /* field ?& value */
	MTF_TERM_EMPTY,         /* field is an array without elements */
	MTF_TERM_NESTED,        /* field is an array with an array in it */
	MTF_TERM_COMPARE_VALUES, /* op between the two values that are args, compared as `as` says */
	MTF_TERM_NOT,            /* the condition in args is not true */
	MTF_TERM_CASE, /* args: condition, condition, …, condition otherwise (or nothing: NULL) */

	MTF_TERM_FIELD = 100,
	MTF_TERM_VALUE,
	MTF_TERM_CALL /* function of args */
} MtfTermKind;

typedef enum MtfFunction
{
	MTF_FUNCTION_NONE,
	MTF_FUNCTION_ADD, /* of decimals */
	MTF_FUNCTION_SUBTRACT,
	MTF_FUNCTION_MULTIPLY,
	MTF_FUNCTION_CASE, /* condition, value, …, value otherwise (or nothing: null) */
	MTF_FUNCTION_COALESCE,
	MTF_FUNCTION_INT_ADD, /* of whole numbers whose result a BSON long holds */
	MTF_FUNCTION_INT_SUBTRACT,
	MTF_FUNCTION_INT_MULTIPLY,
	MTF_FUNCTION_INT_DIVIDE, /* by a constant, not 0 */
	MTF_FUNCTION_INT_MODULO,
	MTF_FUNCTION_TRUNCATE,   /* of an instant, to the beginning of `part` */
	MTF_FUNCTION_EXTRACT,    /* `part` of an instant */
	MTF_FUNCTION_NUMBER_KEY, /* of a number: what is the same for equal ones and for no others */
	MTF_FUNCTION_SUBSTRING,  /* text, characters before it (from 0 on), their number */
	MTF_FUNCTION_LENGTH      /* of a text, in characters */
} MtfFunction;

/* Parts of a timestamp; the instants that come of it are UTC's. */
typedef enum MtfPart
{
	MTF_PART_NONE,
	MTF_PART_SECOND,
	MTF_PART_MINUTE,
	MTF_PART_HOUR,
	MTF_PART_DAY,
	MTF_PART_WEEK,
	MTF_PART_MONTH,
	MTF_PART_QUARTER,
	MTF_PART_YEAR,
	MTF_PART_DOW, /* from here on of EXTRACT only */
	MTF_PART_ISODOW,
	MTF_PART_DOY
} MtfPart;

/* What the value of a LIKE or ILIKE term is. */
typedef enum MtfPattern
{
	MTF_PATTERN_LIKE,
	MTF_PATTERN_REGEX, /* a regular expression, which may be a pattern in other words (plan/regex.c) */
	MTF_PATTERN_UPPER /* of ILIKE: what upper() of the field comes to */
} MtfPattern;

/* How two values of a document are compared. */
typedef enum MtfCompareAs
{
	MTF_COMPARE_PLAIN,       /* by the server's own order */
	MTF_COMPARE_NUMBERS,     /* NaN is the highest */
	MTF_COMPARE_MILLISECONDS /* a day is its midnight */
} MtfCompareAs;

/* The path of a jsonb column that is the whole document: only for conditions on its members. */
#define MTF_WHOLE_DOCUMENT "."

/* The path of what stands for a column where a computed value is compared: no column has it. */
#define MTF_COMPUTED_PATH "$computed"

/* Comparisons: the order of PostgreSQL's type, NaN highest. */
typedef enum MtfOp
{
	MTF_OP_EQ,
	MTF_OP_NE,
	MTF_OP_LT,
	MTF_OP_LE,
	MTF_OP_GT,
	MTF_OP_GE,
	MTF_OP_DISTINCT,     /* IS DISTINCT FROM */
	MTF_OP_NOT_DISTINCT, /* IS NOT DISTINCT FROM */
	MTF_OP_IS_TRUE,      /* the four tests of MTF_TERM_TRUTH */
	MTF_OP_IS_FALSE,
	MTF_OP_IS_NOT_TRUE,
	MTF_OP_IS_NOT_FALSE
} MtfOp;

/*
 * A column as a term sees it: everything that decides its remote form, copied out of the catalog.
 * (Changing a column's or a server's options invalidates the plan.)
 */
typedef struct MtfField
{
	ExtensibleNode node;
	int rel;     /* index into MtfScanPlan.relids */
	int attnum;  /* 0 for a part of a jsonb column and for computed fields */
	char *path;  /* no segment empty or starting with "$" */
	int kind;    /* MtfKind */
	int element; /* MtfKind of an array's elements */
	int typmod;  /* of the column: varchar(n), numeric(p,s) and timestamp(p) narrow what decodes */
	bool any_id; /* text `_id` that may hold ObjectIds */
	bool null_mismatch; /* on_mismatch 'null': what does not decode is NULL */
	bool trust;         /* the owner's promise: no arrays, and the column's own types only */
	bool exact;         /* an aggregation expression can tell exactly what decodes, and to what */
	bool loose; /* a numeric of any scale: exact but for the documents that INEXACT counts */
	List *
		others; /* of a join's key alone, of MtfField: what stands for it, in this order, where it is null */
} MtfField;

/* A lowered clause or value. */
typedef struct MtfTerm
{
	ExtensibleNode node;
	int kind;        /* MtfTermKind */
	int op;          /* MtfOp */
	MtfField *field; /* what is tested; NULL for AND, OR and constants */
	int value;       /* index into ForeignScan.fdw_exprs; -1 when there is none */
	bool exact;      /* the exact form exists: true remotely if and only if true here */
	bool prefix;     /* of LIKE: how a text begins, or all of it; a range that an index serves */
	List *args;      /* of MtfTerm; of a test of a field: the value computed in its place */
	int as;          /* MtfCompareAs */
	int function;    /* MtfFunction of a CALL */
	int part;        /* MtfPart of TRUNCATE and EXTRACT */
	int pattern;     /* MtfPattern of LIKE and ILIKE */
	int type;        /* of a value: its PostgreSQL type */
	int overflows; /* the type that a whole number may overflow: whoever uses it counts that; or 0 */
	int precision; /* digits of a number, and how many behind the point; -1: not known */
	int scale;
} MtfTerm;

/* One key of a remote sort. */
typedef struct MtfSortKey
{
	ExtensibleNode node;
	MtfField *field;
	bool descending;
	bool nulls_first;
	bool plain; /* the field itself sorts right (and an index may serve); else computed keys */
} MtfSortKey;

/* One attribute of a scan that is not of a base table: where its value stands in a document. */
typedef struct MtfOutput
{
	ExtensibleNode node;
	int rel;    /* a column of this relation (index into relids), or -1: computed */
	int attnum; /* of the relation */
	char *name; /* the computed field */
	int typid;  /* of a computed field */
	int typmod;
	int collation;
} MtfOutput;

/*
 * What is joined to what is there: a relation's documents that satisfy `terms`, to which `joins` were joined
 * first, and whose `inners` equal `outers` (fields of relations before it); then `filters` on the joined whole.
 */
typedef enum MtfJoinKind
{
	MTF_JOIN_INNER,
	MTF_JOIN_LEFT, /* what finds no partner stays */
	MTF_JOIN_SEMI, /* one partner is enough */
	MTF_JOIN_ANTI, /* what finds a partner goes */
	MTF_JOIN_FULL  /* what finds no partner stays, on both sides */
} MtfJoinKind;

/* How the server is told to join. */
typedef enum MtfJoinForm
{
	MTF_JOIN_LOOKUP, /* $lookup: for each document its partners, by the first key's raw value */
	MTF_JOIN_HASH    /* $unionWith and $group by the keys: each collection is read once */
} MtfJoinForm;

typedef struct MtfJoin
{
	ExtensibleNode node;
	int rel;       /* index into MtfScanPlan.relids */
	int kind;      /* MtfJoinKind */
	int form;      /* MtfJoinForm */
	List *outers;  /* of MtfField: the keys, */
	List *inners;  /* pairwise equal */
	List *terms;   /* of MtfTerm, on documents of `rel` alone */
	List *joins;   /* of MtfJoin, whose relations follow `rel` in number; most often none */
	List *filters; /* of MtfTerm, on joined documents */
	List *paths;   /* as MtfScanPlan.paths */
	bool projects;
} MtfJoin;

/* What one accumulator of a remote $group computes; `arg` is NULL for documents as such. */
typedef enum MtfAccumulate
{
	MTF_ACCUMULATE_COUNT, /* documents in which arg is not null */
	MTF_ACCUMULATE_SUM,   /* of a whole number or a decimal: 0 when there is none */
	MTF_ACCUMULATE_MIN,   /* NaN left out; null when there is none */
	MTF_ACCUMULATE_MAX,
	MTF_ACCUMULATE_LOWEST, /* of a number, NaN too, which the server has lowest */
	MTF_ACCUMULATE_HIGHEST,
	MTF_ACCUMULATE_LENGTH,    /* characters of the columns' texts that make the value, at most */
	MTF_ACCUMULATE_NANS,      /* how many are NaN */
	MTF_ACCUMULATE_SCALE,     /* 0 with as many digits behind the point as any decimal has */
	MTF_ACCUMULATE_INEXACT,   /* in how many documents the field is a number but no exact decimal */
	MTF_ACCUMULATE_OVERFLOWS, /* in how many the whole number lies outside its type */
	MTF_ACCUMULATE_STRANGERS, /* in how many a field of MtfScanPlan.believed is neither absent nor a Decimal128 */
	MTF_ACCUMULATE_FIRST,  /* of values that are equal and may look different: any one */
	MTF_ACCUMULATE_MISFITS /* in how many documents the field is there and does not decode */
} MtfAccumulate;

/* The length that stands for one that is not known. */
#define MTF_LENGTH_UNKNOWN 99

typedef struct MtfAccumulator
{
	ExtensibleNode node;
	int kind;        /* MtfAccumulate */
	MtfTerm *arg;    /* a value, or NULL */
	MtfTerm *filter; /* a condition, or NULL: FILTER (WHERE …) */
	bool decimal;    /* sum as Decimal128 */
	int distinct; /* of the distinct values of MtfScanPlan.distinct, the n-th from 1 on; 0: of all */
	char *name;   /* of its field in the result */
} MtfAccumulator;

/*
 * A step that completes a row here: attribute `attno` of the scan's slot becomes `expr`, which refers
 * to other attributes (Vars of INDEX_VAR); or a check of them.
 */
typedef enum MtfFinishKind
{
	MTF_FINISH_VALUE,
	MTF_FINISH_MISFITS, /* the attribute is not 0: a value at the path `what` did not decode, an error */
	MTF_FINISH_OVERFLOW, /* `expr` is true: a number was outside the type `what`, an error */
	MTF_FINISH_DIGITS, /* `expr` is true: the server's numbers were not exact; all is computed here */
	MTF_FINISH_STATE /* the attribute becomes the serialized state of a sum or average of `count` numbers, which come to `expr` */
} MtfFinishKind;

typedef struct MtfFinish
{
	ExtensibleNode node;
	int kind; /* MtfFinishKind */
	int attno;
	Node *expr;
	Node *count;
	char *what;
} MtfFinish;

/* How an accumulator's value is completed by what another one counted. */
typedef enum MtfGroupValueKind
{
	MTF_GROUP_VALUE_SOME,     /* it where the count is not 0, else null */
	MTF_GROUP_VALUE_LEAST,    /* it, or NaN where there is nothing but NaNs, which are counted */
	MTF_GROUP_VALUE_GREATEST, /* NaN where NaNs are counted, else it */
	MTF_GROUP_VALUE_QUOTIENT  /* it by the count, as a Decimal128; null where that is 0 */
} MtfGroupValueKind;

/* One more field of a group, for conditions and sorts over groups. */
typedef struct MtfGroupValue
{
	ExtensibleNode node;
	int kind; /* MtfGroupValueKind */
	char *name;
	char *value; /* names of accumulators */
	char *count;
} MtfGroupValue;

/* The remote part of a ForeignScan. */
typedef struct MtfScanPlan
{
	ExtensibleNode node;
	List *relids;    /* OIDs of the base foreign tables, driving table first */
	List *rtis;      /* their range table indexes, same order */
	List *proofs;    /* per relation a List of int: 0, and columns that its validator proves */
	List *wanted;    /* attribute numbers to decode, of the single base relation */
	List *paths;     /* of String: what a projection must keep; meaningful only with `projects` */
	bool projects;   /* false: whole documents travel */
	List *terms;     /* of MtfTerm, ANDed: the remote filter */
	List *index;     /* of String: the driving table's index that serves them; NIL: unknown */
	List *decisions; /* of MtfDecision */
	bool exact;      /* terms are sent in their exact form: nothing is rechecked here */
	List *sort;      /* of MtfSortKey; of groups if there are any */
	List *
		first_of; /* of MtfTerm: one document, the first by `sort`, of all that have these alike; or NIL */
	int sample;    /* documents to look at, at most, in an estimate; 0: all */
	int limit;     /* index into fdw_exprs, or -1 */
	int offset;    /* index into fdw_exprs, or -1 */
	List *outputs; /* of MtfOutput, one per attribute of the scan's slot; NIL for a base scan */
	bool grouped;  /* documents are groups: keys and accumulators */
	bool grand;    /* without GROUP BY: one row comes, also of no documents */
	List *keys;    /* of MtfTerm (values): k0, k1, … */
	List *accumulators;
	List *distinct;     /* of MtfTerm: grouped by too, first, so that each value comes once */
	List *group_values; /* of MtfGroupValue */
	List *alarms;       /* of String: accumulators that must be 0, else the row is an error here */
	List *having;       /* of MtfTerm over keys, accumulators and group_values: exact */
	List *finish;       /* of MtfFinish, in this order */
	List *
		believed; /* of MtfField: numerics taken for Decimal128s that fit, and checked by the group */
	List *joins; /* of MtfJoin, in order */
	int cursors; /* the scan may be cut into ranges, so many read at a time; 0: it may not */
	int share;   /* what it is believed to retrieve of the documents, in thousandths */
	List *bound; /* of int, indexes into fdw_exprs: lists that a bind join gives, one per key */
	List *
		patterns; /* of MtfTerm: those LIKEs that are exact unless their value is not (late_pattern.h) */
} MtfScanPlan;

/*
 * A join that runs here and takes the inner documents by batches of keys: CustomScan.custom_private.
 * The scan tuple is the outer plan's columns and the inner plan's.
 */
typedef struct MtfBindPlan
{
	ExtensibleNode node;
	int kind;       /* MtfJoinKind: inner, left, semi or anti */
	int batch_size; /* outer rows whose keys one command asks for */
	int nouter;     /* columns of the outer plan */
	int ninner;
	List *outer_hashes; /* of OID: of each key, the hash functions of its two sides */
	List *inner_hashes;
	List *collations; /* of OID */
} MtfBindPlan;

/* Register the nodes; from _PG_init only. */
extern void mtf_plan_private_init(void);

/* Empty nodes, in the current memory context. */
extern MtfScanPlan *mtf_scan_plan_create(void);
extern MtfField *mtf_field_create(void);

/* The integer type of a field of whole numbers. */
extern Oid mtf_field_integer_type(const MtfField *field);

extern MtfSortKey *mtf_sort_key_create(MtfField *field, bool descending, bool nulls_first);
extern MtfAccumulator *mtf_accumulator_create(MtfAccumulate kind, MtfTerm *arg, MtfTerm *filter);
extern MtfGroupValue *mtf_group_value_create(MtfGroupValueKind kind, const char *name,
											 const char *value, const char *count);
extern MtfJoin *mtf_join_create(int rel, MtfJoinKind kind, MtfJoinForm form);
extern MtfBindPlan *mtf_bind_plan_create(MtfJoinKind kind, int batch_size);
extern MtfFinish *mtf_finish_create(MtfFinishKind kind, int attno, Node *expr, const char *what);
extern MtfOutput *mtf_output_create(int rel, int attnum, const char *name);
extern MtfDecision *mtf_decision_create(MtfShip ship, Node *clause, const char *why);
extern MtfTerm *mtf_term_create(MtfTermKind kind, MtfOp op, MtfField *field, int value, List *args);

/* The field that holds a relation's document in the documents of a join: "r0". */
extern char *mtf_relation_field(int rel);

/* Where a group's distinct value stands when groups are made of it. */
#define MTF_DISTINCT_PATH "_id.d"

/* The join that adds relation `rel`, among `joins` and what they join first; NULL: none does. */
extern MtfJoin *mtf_join_find(const List *joins, int rel);

/* Is one of `joins` a full one? */
extern bool mtf_joins_are_full(const List *joins);

/*
 * Can a $lookup compare the inner field of the join as it stands?  Not a day, which is many instants, nor a text
 * that may be an ObjectId there, nor a number that several numbers decode to; nor before a full join, of which
 * rows without that field come.
 */
extern bool mtf_join_meets(const MtfJoin *join, const MtfField *outer, const MtfField *inner);

/* Does a $lookup compare the first key as it stands?  (Of a full join both sides look up.) */
extern bool mtf_join_can_look_up(const MtfJoin *join);

/*
 * The same plan for a server that refuses it: every join by $lookup, all documents instead of the first ones.
 * NULL: it is so already.
 */
extern MtfScanPlan *mtf_scan_plan_said_otherwise(const MtfScanPlan *plan);

/* The remote part of a plan node of ours. */
extern const MtfScanPlan *mtf_scan_plan(const ForeignScan *scan);

/*
 * The columns of the scan's slot as documents of the pipeline bring them: natts entries, NULL for an
 * attribute that is not decoded.  For a base scan these are the table's own columns.
 */
extern MtfColumn **mtf_scan_plan_columns(const MtfScanPlan *plan, int natts);

#endif /* MTF_PLAN_PRIVATE_H */
