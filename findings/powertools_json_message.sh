#!/bin/sh
# Powertools' Logger parses a message that happens to be JSON text: digits become a number (and lose digits), `null`
# takes the message out of the line, `NaN` makes the line no JSON.
#
# Why it matters: a pipeline logs what came from outside, such as an object's key, so that the sender decides the
# field's type and whether it is there. A query on `message` misses exactly those lines.
# Expected: the text that was logged. Powertools for AWS Lambda (Python), API reference, LambdaPowertoolsFormatter: the
# message is formatted as a JSON-encoded string, and only a dict is used directly.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aws-lambda-powertools==3.37.0
"$folder/venv/bin/python" - <<'PY'
import io
import json
import sys
from importlib.metadata import version

from aws_lambda_powertools import Logger

stream = io.StringIO()
logger = Logger(service="recorder", stream=stream)
texts = ["9007199254740993.5", "null", "NaN", '{"level": "DEBUG"}']
for text in texts:
    logger.info(text)
lines = stream.getvalue().splitlines()
# What is not in the line is told as "(none)"; json reads NaN, though it is no JSON.
seen = [json.loads(line, parse_constant=lambda word: f"no JSON: {word}").get("message", "(none)") for line in lines]
print("version ", "aws-lambda-powertools", version("aws-lambda-powertools"))
print("expected", texts)
print("seen    ", seen)
sys.exit(seen != [9007199254740994.0, "(none)", "no JSON: NaN", {"level": "DEBUG"}])
PY
