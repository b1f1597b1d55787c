#!/bin/sh
# pysail reads a Parquet file's statistics as if they spoke of NaN too: the greatest value and filters miss the rows
# that are NaN, while a listing shows them.
#
# Why it matters: "no value above the limit" is then said of a column that holds NaN, the very rows a data-quality rule
# looks for.
# Expected: NaN, and 1 row. Spark SQL, "NaN Semantics": NaN is larger than any other numeric value and equal to itself.
# Parquet's format (parquet.thrift, ColumnOrder): NaNs are not written to minimum and maximum, so a reader may not
# conclude from them.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pysail==0.7.2 pyspark==3.5.6 grpcio-status==1.85.1 \
    googleapis-common-protos==1.76.0 numpy==2.4.6 pandas==2.3.3 pyarrow==26.0.1 setuptools==81.0.0
"$folder/venv/bin/python" -W ignore - "$folder/table" <<'PY' 2>"$folder/log" || { cat "$folder/log" >&2; exit 1; }
import sys
from importlib.metadata import version

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

server = SparkConnectServer(port=0)
server.start(background=True)
spark = SparkSession.builder.remote("sc://%s:%s" % server.listening_address).getOrCreate()

spark.sql("SELECT * FROM VALUES (1.0D), (2.0D), (CAST('NaN' AS DOUBLE)) AS t(x)").coalesce(1).write.parquet(sys.argv[1])
table = spark.read.parquet(sys.argv[1])
listed = sorted(str(row.x) for row in table.collect())
greatest = table.selectExpr("max(x) AS x").collect()[0].x
above = table.where("x > 5.0D").count()
print("version ", "pysail", version("pysail"))
print("input   ", listed)
print("expected", "greatest nan, 1 row above 5")
print("seen    ", f"greatest {greatest}, {above} rows above 5")
spark.stop()
server.stop()
sys.exit((listed, float(greatest), int(above)) != (["1.0", "2.0", "nan"], 2.0, 0))
PY
