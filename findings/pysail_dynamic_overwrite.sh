#!/bin/sh
# pysail replaces a whole table where Spark, in dynamic partition overwrite, replaces only the partitions that are
# written. It takes the setting and the option without a word.
#
# Why it matters: this is how a job makes one day anew. On pysail the rerun of one day deletes all others.
# Expected: both days. Spark SQL's configuration, spark.sql.sources.partitionOverwriteMode: in dynamic mode Spark does
# not delete partitions ahead, and only overwrites those that have data written into it at run time.
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

spark.conf.set("spark.sql.sources.partitionOverwriteMode", "dynamic")


def write(rows, mode):
    days = spark.createDataFrame(rows, "amount int, day string").write.format("parquet").partitionBy("day")
    days.mode(mode).option("partitionOverwriteMode", "dynamic").save(sys.argv[1])


write([(1, "2026-01-01"), (2, "2026-01-02")], "error")
write([(3, "2026-01-02")], "overwrite")
seen = sorted((str(row.day), row.amount) for row in spark.read.parquet(sys.argv[1]).collect())
print("version ", "pysail", version("pysail"))
print("expected", [("2026-01-01", 1), ("2026-01-02", 3)])
print("seen    ", seen)
spark.stop()
server.stop()
sys.exit(seen != [("2026-01-02", 3)])
PY
