#!/bin/sh
# pysail's sum of decimals wraps around beyond 38 digits: large positive amounts add up to a negative one. Spark answers
# NULL, or an error in ANSI mode.
#
# Why it matters: a control total is computed to be compared. A wrong number that looks like one is worse than none.
# Expected: NULL or an error. Spark SQL, "ANSI Compliance", arithmetic operations: on overflow of a decimal Spark raises
# with ANSI mode and returns null without; never a wrapped value.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pysail==0.7.2 pyspark==3.5.6 grpcio-status==1.85.1 \
    googleapis-common-protos==1.76.0 numpy==2.4.6 pandas==2.3.3 pyarrow==26.0.1 setuptools==81.0.0
"$folder/venv/bin/python" -W ignore - <<'PY' 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
import sys
from decimal import Decimal
from importlib.metadata import version

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

server = SparkConnectServer(port=0)
server.start(background=True)
spark = SparkSession.builder.remote("sc://%s:%s" % server.listening_address).getOrCreate()

amount = "CAST('" + "9" * 38 + "' AS DECIMAL(38, 0))"
seen = spark.sql(f"SELECT sum(x) AS total FROM VALUES ({amount}), ({amount}) AS t(x)").collect()[0].total
print("version ", "pysail", version("pysail"))
print("input   ", "sum of twice the number of 38 nines")
print("expected", None, "or an error")
print("seen    ", seen)
spark.stop()
server.stop()
# The true sum as a signed integer of 128 bits.
sys.exit(seen != Decimal(2 * (10**38 - 1) - 2**128))
PY
