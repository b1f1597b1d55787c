#!/bin/sh
# sqlglot leaves Trino's `date_diff` as it is for DuckDB, which counts something else.
#
# Why it matters: Trino counts whole units that passed, DuckDB how often the clock struck. Two minutes over a full hour are
# one hour then: a check for what came later than an hour, tried on DuckDB, tells of what was in time.
# Expected: DATE_SUB, which counts whole units in DuckDB. Trino's date_diff is Joda-Time's DurationField.getDifference, which
# has whole units; DuckDB, "Timestamp functions": date_diff is the number of boundaries of the part between the two, date_sub
# the length truncated to whole multiples of the part.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 sqlglot==30.30.0
"$folder/venv/bin/python" - <<'PY'
import sys

import duckdb
import sqlglot

query = "SELECT date_diff('hour', TIMESTAMP '2026-01-15 10:59:00', TIMESTAMP '2026-01-15 11:01:00')"
written = sqlglot.transpile(query, read="trino", write="duckdb")[0]
((seen,),) = duckdb.sql(written).fetchall()
print("version ", "sqlglot", sqlglot.__version__, "duckdb", duckdb.__version__)
print("input   ", query, "from Trino to DuckDB")
print("expected", "0, as Trino answers")
print("seen    ", seen, "by", written)
sys.exit(seen != 1)
PY
