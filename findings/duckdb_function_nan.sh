#!/bin/sh
# A Python function registered with DuckDB that returns NaN gives NULL; DuckDB's own NaN stays NaN, and so does a NaN
# bound as a parameter.
#
# Why it matters: NaN says "computed, and not a number", NULL says "not there". Counts, averages and NOT NULL rules
# differ, so a local engine with functions of its own agrees with the warehouse on all rows but these.
# Expected: NaN. DuckDB, "Numeric types", floating-point types: NaN is a value of DOUBLE; "Python Function API", null
# handling: what it describes is None given and None returned.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import math
import sys

import duckdb

database = duckdb.connect()
database.create_function("ratio", lambda value: math.nan, ["DOUBLE"], "DOUBLE")
made, native, counted = database.execute("SELECT ratio(1.0), 'NaN'::DOUBLE, count(ratio(1.0))").fetchone()
print("version ", "duckdb", duckdb.__version__)
print("expected", "nan from the function, nan from the cast, 1 counted")
print("seen    ", made, "from the function,", native, "from the cast,", counted, "counted")
sys.exit(not (made is None and math.isnan(native) and counted == 0))
PY
