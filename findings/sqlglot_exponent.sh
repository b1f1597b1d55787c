#!/bin/sh
# sqlglot takes what follows the exponent of a number, sign and all, into the number: `1e3-1` is one literal. Where a
# dialect needs a function for an operator, the statement then computes something else, without a warning.
#
# Why it matters: reports are written once and transpiled for another warehouse; a remainder picks samples and shards.
# Expected: SELECT MOD(a, 1e3) - 1, as `%` binds tighter than `-`, and 1e3-1 is 1e3 minus 1: a literal with an exponent
# ends after its digits (ISO/IEC 9075-2, <approximate numeric literal>; Trino: DOUBLE literals are written like 1E3).
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sqlglot==30.30.0
"$folder/venv/bin/python" - <<'PY'
import sys

import sqlglot
from sqlglot import exp

query = "SELECT a % 1e3-1"
literals = [literal.this for literal in sqlglot.parse_one(query, read="trino").find_all(exp.Literal)]
seen = sqlglot.transpile(query, read="trino", write="bigquery")[0]
print("version ", "sqlglot", sqlglot.__version__)
print("input   ", query, "from Trino to BigQuery")
print("expected", "two literals, and SELECT MOD(a, 1e3) - 1")
print("seen    ", literals, "and", seen)
sys.exit(literals != ["1e3-1"] or seen != "SELECT MOD(a, 1e3-1)")
PY
