#!/bin/sh
# Casting text to a decimal, pyarrow reads 1.5 followed by 40 or 60 zeros as 0.00, without an error.
#
# Why it matters: exports of databases write numbers with as many places as the column has, and a price
# becomes zero. With 38 and 50 zeros the cast raises, though nothing but zeros would be lost.
# Expected: 1.50, or an error. Apache Arrow, "Compute functions", casts: by default a cast is safe, and raises where
# values would be changed.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PY'
import sys
from decimal import Decimal

import pyarrow as pa


def cast(text):
    try:
        return pa.array([text]).cast(pa.decimal128(18, 2))[0].as_py()
    except pa.ArrowInvalid:
        return "error"


seen = [cast("1.5" + "0" * zeros) for zeros in (37, 38, 40, 50, 60)]
print("version ", "pyarrow", pa.__version__)
print("expected", "1.50 five times, or an error")
print("seen    ", *seen)
sys.exit(seen != [Decimal("1.50"), "error", Decimal("0.00"), "error", Decimal("0.00")])
PY
