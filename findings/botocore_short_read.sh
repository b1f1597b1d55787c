#!/bin/sh
# botocore's StreamingBody.read(amount) returns what came before a connection was closed, as if it were the whole body.
# The number of bytes is checked, and so is a checksum, only where the stream is read to its end: by read() without an
# amount, or by a read(amount) that returns nothing.
#
# Why it matters: who reads with a limit, since the object may be anything, takes half an object for the object.
# Expected: an error for both. botocore.response.StreamingBody: "Auto validation of content length, if the amount of bytes we
# read does not match the content length, an exception is raised."
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


class Cut(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"half")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Cut)
threading.Thread(target=server.serve_forever, daemon=True).start()
s3 = boto3.client(
    "s3",
    endpoint_url=f"http://127.0.0.1:{server.server_port}",
    region_name="us-east-1",
    aws_access_key_id="a",
    aws_secret_access_key="b",
)
print(f"version  botocore {botocore.__version__}, urllib3 {urllib3.__version__}")
print("expected an error for read() and for read(1000)")
seen = {}
for name, amount in (("read()", None), ("read(1000)", 1000)):
    body = s3.get_object(Bucket="bucket", Key="key")["Body"]
    try:
        seen[name] = repr(body.read() if amount is None else body.read(amount))
    except Exception as error:
        seen[name] = type(error).__name__
    print(f"seen     {name}: {seen[name]}")
raise SystemExit(seen["read(1000)"] != "b'half'")
PY
