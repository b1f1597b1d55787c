#!/bin/sh
# deltalake appends doubles to a column of integers and cuts off their fractions, and takes text for numbers, without an
# error. A decimal of another scale is refused, so the check is there.
#
# Why it matters: a changed source (cents became euros with a fraction) is what schema enforcement is to stop. Here the
# rows land, the table's schema is as before, and the amounts are gone.
# Expected: an error. delta-rs, usage, "Writing Delta Tables": write_deltalake raises if the schema of the data differs
# from that of the table; Delta Lake, "Table batch reads and writes", schema validation, asks for the same.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1
"$folder/venv/bin/python" - "$folder/table" <<'PY'
import sys

import deltalake
import pyarrow as pa

place = sys.argv[1]
deltalake.write_deltalake(place, pa.table({"amount": pa.array([1], pa.int64())}))
try:
    deltalake.write_deltalake(place, pa.table({"amount": pa.array([2.9, -0.5])}), mode="append")
    deltalake.write_deltalake(place, pa.table({"amount": pa.array(["7"])}), mode="append")
except Exception as error:
    seen = repr(error)
else:
    seen = sorted(deltalake.DeltaTable(place).to_pyarrow_table()["amount"].to_pylist())
print("version ", "deltalake", deltalake.__version__)
print("input   ", "a table of int64 [1]; append doubles [2.9, -0.5], then text ['7']")
print("expected", "an error that names the types")
print("seen    ", seen)
sys.exit(seen != [0, 1, 2, 7])
PY
