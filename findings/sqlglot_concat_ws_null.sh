#!/bin/sh
# sqlglot writes Trino's `concat_ws` for Snowflake so that a NULL leaves its separator behind.
#
# Why it matters: keys that are put together from optional parts, or a list of what is wrong with a row, which is empty if
# nothing is, get other values than in Trino: ',b' for 'b', and ',' for ''. A comparison with '' finds nothing any more.
# Expected: ARRAY_TO_STRING(ARRAY_CONSTRUCT_COMPACT(a, b), ','), or the like. Trino, "String functions": concat_ws, "Any
# null values provided in the arguments after the separator are skipped".
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sqlglot==30.30.0
"$folder/venv/bin/python" - <<'PY'
import sys

import sqlglot

query = "SELECT concat_ws(',', a, b) FROM t"
seen = sqlglot.transpile(query, read="trino", write="snowflake")[0]
print("version ", "sqlglot", sqlglot.__version__)
print("input   ", query, "from Trino to Snowflake")
print("expected", "what skips NULL, separator included")
print("seen    ", seen)
sys.exit(seen != "SELECT CONCAT_WS(',', COALESCE(a, ''), COALESCE(b, '')) FROM t")
PY
