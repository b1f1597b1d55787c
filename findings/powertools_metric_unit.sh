#!/bin/sh
# Powertools' Metrics relabels what is there already: a metric that gets a second value in another unit keeps both
# values and takes the last unit.
#
# Why it matters: alarms of a pipeline stand on such metrics. One second and 500 milliseconds become 1 and 500
# milliseconds, and the alarm on a late receipt stays quiet.
# Expected: an error, or values brought to one unit. CloudWatch embedded metric format specification, MetricDefinition:
# one Unit for all values of a metric.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aws-lambda-powertools==3.37.0
"$folder/venv/bin/python" - <<'PY'
import sys
from importlib.metadata import version

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

metrics = Metrics(namespace="pipeline", service="recorder")
metrics.add_metric("ReceiptLag", MetricUnit.Seconds, 1)
metrics.add_metric("ReceiptLag", MetricUnit.Milliseconds, 500)
record = metrics.serialize_metric_set()
unit = record["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"]
print("version ", "aws-lambda-powertools", version("aws-lambda-powertools"))
print("input   ", "1 Seconds, then 500 Milliseconds")
print("expected", "an error, or [1000, 500] Milliseconds")
print("seen    ", record["ReceiptLag"], unit)
sys.exit(record["ReceiptLag"] != [1.0, 500.0] or unit != "Milliseconds")
PY
