#!/bin/sh
# A GetObject that is refused, and whose error answer ends early (its connection breaks inside a chunked body), raises
# urllib3's ProtocolError: it is no BotoCoreError, and the request is not retried. The same answer to any other operation is
# retried and raises botocore's ConnectionClosedError.
#
# Why it matters: code that catches botocore's two families, as its documentation says, ends at one object's bad answer.
# Expected: ConnectionClosedError for both, after retries. boto3, "Error handling": exceptions are ClientError or those of
# botocore.exceptions.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check boto3==1.44.5 botocore==1.44.5 urllib3==2.8.0
"$folder/venv/bin/python" - <<'PY'
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import boto3
import botocore
import urllib3
from botocore.config import Config

asked = []


class Refused(BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        self.send_response(503)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"5\r\n<?xml\r\n")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Refused)
threading.Thread(target=server.serve_forever, daemon=True).start()
s3 = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{server.server_port}",
    region_name="us-east-1",
    aws_access_key_id="a",
    aws_secret_access_key="b",
    config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
)
print(f"version  botocore {botocore.__version__}, urllib3 {urllib3.__version__}")
print("expected ConnectionClosedError after 3 requests, for both")
seen = {}
for name, call in (
    ("list_objects_v2", lambda: s3.list_objects_v2(Bucket="bucket")),
    ("get_object", lambda: s3.get_object(Bucket="bucket", Key="key")),
):
    asked.clear()
    try:
        call()
    except Exception as error:
        seen[name] = (type(error).__module__, type(error).__name__, len(asked))
    print(f"seen     {name}: {seen.get(name)}")
raise SystemExit(seen["get_object"] != ("urllib3.exceptions", "ProtocolError", 1))
PY
