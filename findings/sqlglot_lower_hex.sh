#!/bin/sh
# sqlglot drops `lower` around Trino's `to_hex` when it writes Snowflake, although Snowflake's own hexadecimal text is
# in capitals.
#
# Why it matters: sums of files are kept in small letters (sha256sum, most manifests). A query that compares them holds
# on Athena and finds no match on Snowflake, without an error: every object looks unproven, or an anti-join returns all
# of them.
# Expected: LOWER(...) or HEX_ENCODE(..., 0). Trino, "Binary functions and operators": to_hex; Snowflake, "Binary input
# and output": from binary to text, hex uses uppercase letters, and hex is the default.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sqlglot==30.30.0
"$folder/venv/bin/python" - <<'PY'
import sys

import sqlglot

query = "SELECT lower(to_hex(sha256(body))) FROM objects"
seen = sqlglot.transpile(query, read="trino", write="snowflake")[0]
print("version ", "sqlglot", sqlglot.__version__)
print("input   ", query, "from Trino to Snowflake")
print("expected", "SELECT LOWER(TO_CHAR(SHA2_BINARY(body, 256))) FROM objects, or the like")
print("seen    ", seen)
sys.exit(seen != "SELECT TO_CHAR(SHA2_BINARY(body, 256)) FROM objects")
PY
