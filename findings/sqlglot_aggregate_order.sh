#!/bin/sh
# sqlglot drops the ORDER BY of Trino's `array_agg` when it writes Spark.
#
# Why it matters: whatever hangs on the order, such as a chain of hashes, the steps of an object's history or the newest
# value as the last of a list, is built in the order in which rows happen to arrive. It runs without an error, and on a
# small table usually with the right answer.
# Expected: the order kept (SORT_ARRAY over structs, or the like), or an error that it cannot be. Trino, "Aggregate
# functions": "Ordering during aggregation"; Spark, collect_list: "the order of collected results depends on the order
# of the rows which may be non-deterministic after a shuffle".
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sqlglot==30.30.0
"$folder/venv/bin/python" - <<'PY'
import sys

import sqlglot

query = "SELECT object_key, array_agg(sha256 ORDER BY written_at) FROM receipts GROUP BY object_key"
seen = sqlglot.transpile(query, read="trino", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE)[0]
print("version ", "sqlglot", sqlglot.__version__)
print("input   ", query, "from Trino to Spark, told to raise what is not supported")
print("expected", "an order by written_at, or an error")
print("seen    ", seen)
sys.exit(seen != "SELECT object_key, COLLECT_LIST(sha256) FROM receipts GROUP BY object_key")
PY
