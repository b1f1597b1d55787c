#!/bin/sh
# DuckDB's JSON functions call text valid that is no JSON: a comma after the last element, NaN, Infinity. What they
# return for it is no JSON either.
#
# Why it matters: two readers of one signed document must agree whether it can be read at all. JavaScript's JSON.parse
# and Go's encoding/json refuse what DuckDB counts as evidence.
# Expected: false three times. DuckDB, "JSON Type": a value of it must be valid JSON, which json_valid is to tell; RFC
# 8259, section 5 (a comma stands between values) and section 6 (NaN and Infinity are not permitted).
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0
"$folder/venv/bin/python" - <<'PY'
import sys

import duckdb

texts = ['{"size": 1,}', '{"size": NaN}', '{"size": Infinity}']
seen = [duckdb.execute("SELECT json_valid(?)", [text]).fetchone()[0] for text in texts]
print("version ", "duckdb", duckdb.__version__)
print("input   ", *texts)
print("expected", "valid:", [False] * 3)
print("seen    ", "valid:", seen)
sys.exit(seen != [True] * 3)
PY
