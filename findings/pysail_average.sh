#!/bin/sh
# pysail cuts the average of decimals after its last digit where Spark rounds half up.
#
# Why it matters: gold tables hold averages of amounts. Each is too near to zero, by up to a unit of the last digit, and
# differs from what Spark wrote before.
# Expected: 0.006667 for 0.02 / 3, as Spark 3.5.6 answers. Spark's source, Average.scala: the result is decimal(p + 4, s
# + 4); Decimal.scala, toPrecision: a value is brought to a scale by ROUND_HALF_UP.
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

rows = ", ".join(f"(CAST({amount} AS DECIMAL(3, 2)))" for amount in ("0.01", "0.01", "0.00"))
seen = spark.sql(f"SELECT avg(x) AS mean FROM VALUES {rows} AS t(x)").collect()[0].mean
print("version ", "pysail", version("pysail"))
print("expected", "0.006667")
print("seen    ", seen)
spark.stop()
server.stop()
sys.exit(seen != Decimal("0.006666"))
PY
