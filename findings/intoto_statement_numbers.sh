#!/bin/sh
# in-toto's own Python binding keeps a statement's predicate as protobuf's Struct: each integer becomes a double, and
# the JSON it prints has other digits than what was put in.
#
# Why it matters: a size or an offset beyond 2^53 in an attestation is silently another number, and the JSON is not the
# bytes that the producer hashed. Sign the bytes you wrote; never parse and print again what is signed.
# Expected: 9007199254740993, and 1 as 1. in-toto Attestation Framework, spec v1, Statement: the predicate is any JSON
# object. RFC 8259, section 6, warns that readers may not agree beyond 2^53; here it is the writer. Protobuf's Struct:
# numbers are double.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check in-toto-attestation==0.9.3
"$folder/venv/bin/python" - <<'PY'
import json
import sys
from importlib.metadata import version

from google.protobuf.json_format import MessageToJson
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

predicate = {"size": 9007199254740993, "parts": 1}
subject = ResourceDescriptor(name="object", digest={"sha256": "ab" * 32}).pb
printed = MessageToJson(Statement([subject], "https://example.com/receipt/v1", predicate).pb)
seen = json.loads(printed, parse_float=str)["predicate"]
print("version ", "in-toto-attestation", version("in-toto-attestation"))
print("expected", predicate)
print("seen    ", seen)
sys.exit(seen != {"size": "9007199254740992.0", "parts": "1.0"})
PY
