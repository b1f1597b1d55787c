#!/bin/sh
# deltalake writes a negative decimal as a partition value with a second minus sign before its fraction (-1.50 becomes
# -1.-50). It raises, but only after the commit is in the log: from then on nothing of the table can be read.
#
# Why it matters: one append spoils what was there before, and the producer, who saw an error, believes that nothing
# landed.
# Expected: -1.50, or an error without a commit. Delta's protocol (PROTOCOL.md), partition value serialization: numbers
# are written as the string of the number.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check deltalake==1.6.6 pyarrow==26.0.1
"$folder/venv/bin/python" - "$folder/table" <<'PY'
import json
import pathlib
import sys
from decimal import Decimal

import deltalake
import pyarrow as pa

place = pathlib.Path(sys.argv[1])


def append(rate):
    rates = pa.array([Decimal(rate)], pa.decimal128(10, 2))
    deltalake.write_deltalake(place, pa.table({"rate": rates, "id": [1]}), partition_by=["rate"], mode="append")


def outcome(call, *given):
    try:
        return call(*given)
    except Exception as error:
        return str(error).splitlines()[0]


append("1.50")
appended = outcome(append, "-1.50")
log = [json.loads(line) for file in sorted(place.glob("_delta_log/*.json")) for line in file.read_text().splitlines()]
values = [action["add"]["partitionValues"]["rate"] for action in log if "add" in action]
read = outcome(lambda: deltalake.DeltaTable(place).to_pyarrow_table().num_rows)
print("version ", "deltalake", deltalake.__version__)
print("expected", ["1.50", "-1.50"], "in the log, and 2 rows read")
print("seen    ", values, "in the log; append:", appended, "; read:", read)
sys.exit(values != ["1.50", "-1.-50"] or "-1.-50" not in str(appended) or "-1.-50" not in str(read))
PY
