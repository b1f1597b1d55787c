#!/bin/sh
# sqlglot writes the last element of an array in Trino as `[-2]` for Snowflake.
#
# Why it matters: `element_at(a, -1)` is how Trino takes the last part of a key, the file's name. Positions from the front
# are rightly moved by one, since Snowflake counts from 0; one from the end is moved too, and to a place that no array
# of Snowflake has: every value is NULL.
# Expected: GET(a, ARRAY_SIZE(a) - 1), or the like. Trino, "Array functions and operators": element_at, "If index < 0,
# element_at accesses elements from the last to the first".
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sqlglot==30.30.0
"$folder/venv/bin/python" - <<'PY'
import sys

import sqlglot

query = "SELECT element_at(split(object_key, '/'), -1) FROM receipts"
seen = sqlglot.transpile(query, read="trino", write="snowflake")[0]
print("version ", "sqlglot", sqlglot.__version__)
print("input   ", query, "from Trino to Snowflake")
print("expected", "the last element")
print("seen    ", seen)
sys.exit(seen != "SELECT SPLIT(object_key, '/')[-2] FROM receipts")
PY
