"""Settings of a session that must not change a row, or not differently here and there.

A world has some of them; its local copy and its foreign tables are read under the same ones.  The first
value of each is PostgreSQL's own, but for the steps by partitions, which it takes only when it is told to.  The
shadowed operators and functions mean something else under the same name: what the server would do for the
name, it must not do for them.
"""

SETTINGS = {
    "bytea_output": ("hex", "escape"),
    "constraint_exclusion": ("partition", "on", "off"),
    "datestyle": ("ISO, MDY", "German, DMY", "SQL, DMY", "Postgres, MDY"),
    "enable_partitionwise_aggregate": ("on", "off"),
    "enable_partitionwise_join": ("on", "off"),
    "extra_float_digits": ("1", "0", "3"),
    "intervalstyle": ("postgres", "sql_standard", "iso_8601"),
    "search_path": ('"$user", public', "mtf_shadow, pg_catalog, public"),
    "work_mem": ("4MB", "64kB")}

# (name, left, right, the function that PostgreSQL has under another name).
# = of integers and texts stays: without it joins are slow.
OPERATORS = (("<", "int4", "int4", "int4gt"), ("<", "text", "text", "text_gt"), ("=", "bool", "bool", "boolne"),
             ("<>", "float8", "float8", "float8eq"), (">=", "date", "date", "date_lt"), ("~~", "text", "text", "textnlike"),
             ("+", "int8", "int8", "int8mi"), ("<>", "text", "text", "texteq"))
FUNCTIONS = (("lower", "text", "upper"), ("length", "text", "octet_length"), ("abs", "numeric", "ceil"))
AGGREGATES = (("max", "int4", "int4smaller"), ("min", "text", "text_larger"))


def statements():
    """The shadowed names, in a schema of their own."""
    yield "CREATE SCHEMA mtf_shadow"
    for name, left, right, function in OPERATORS:
        yield "CREATE OPERATOR mtf_shadow.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = pg_catalog.%s)" % (
            name, left, right, function)
    for name, kind, function in FUNCTIONS:
        yield ("CREATE FUNCTION mtf_shadow.%s(%s) RETURNS %s LANGUAGE plpgsql IMMUTABLE STRICT AS "
               "'BEGIN RETURN pg_catalog.%s($1); END'" % (name, kind, {"length": "int4"}.get(name, kind), function))
    for name, kind, function in AGGREGATES:
        yield "CREATE AGGREGATE mtf_shadow.%s(%s) (SFUNC = pg_catalog.%s, STYPE = %s)" % (name, kind, function, kind)


def choose(rng):
    """The settings of a world: half of the worlds have PostgreSQL's own."""
    usual = rng.random() < 0.5
    return {name: values[0] if usual or rng.random() < 0.5 else rng.choice(values[1:])
            for name, values in SETTINGS.items()}
