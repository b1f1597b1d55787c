"""A benchmark's child process; started by path, without this repository on ``sys.path``.

    child.py serve FILE                            one file over HTTP, by sendfile; prints the port
    child.py import client|handler ZIP RUNTIME     prints the processor seconds of the import
    child.py receipts ZIP RUNTIME COUNT            seconds per round of COUNT receipts, until it is
    ended

ZIP is the folder that the function's zip was unpacked to, RUNTIME the one with boto3 as Lambda brings it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any


def serve(path: Path) -> None:
    """Answer every request with the whole file, one connection after the other."""
    head = (
        "HTTP/1.1 200 OK\r\n"
        f"Content-Length: {path.stat().st_size}\r\n"
        "Content-Type: application/octet-stream\r\n"
        'ETag: "0"\r\n'
        "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n"
    ).encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            with connection, path.open("rb") as body:
                request = b""
                while data := connection.recv(65536):
                    request += data
                    if request.endswith(b"\r\n\r\n"):
                        request = b""
                        connection.sendall(head)
                        body.seek(0)
                        connection.sendfile(body)


def time_import(what: str) -> float:
    """Return the processor seconds of one cold import."""
    start = time.process_time()
    if what == "handler":
        import recorder.handler  # noqa: F401, PLC0415 - what is measured
    else:
        import boto3  # noqa: PLC0415 - what is measured

        boto3.client("s3")
    return time.process_time() - start


def notification(key: str, version_id: str) -> str:
    """Return the message that Amazon S3 would send to the queue."""
    record = {
        "eventVersion": "2.6",
        "eventSource": "aws:s3",
        "eventTime": "2026-01-01T00:00:00.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "192.0.2.1"},
        "responseElements": {"x-amz-request-id": "0123456789ABCDEF"},
        "s3": {
            "bucket": {"name": "raw"},
            "object": {"key": key, "versionId": version_id, "size": 1000, "sequencer": "0066"},
        },
    }
    return json.dumps({"Records": [record]})


class Context:
    """The part of Lambda's context object that the handler reads."""

    function_name = "bench"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:bench"
    aws_request_id = "00000000-0000-0000-0000-000000000000"


def receipts(count: int) -> None:
    """Print the seconds of one round after the other: ``count`` receipts, and as many bare GETs and PUTs."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for the handler's log and metrics

    import boto3  # noqa: PLC0415 - from the runtime's folder

    from recorder.handler import handler  # noqa: PLC0415 - from the zip's folder

    s3 = boto3.client("s3")
    batch = 10
    number = 0
    while True:
        messages = []
        for _ in range(count):
            key = f"incoming/{number}"
            version_id = s3.put_object(Bucket="raw", Key=key, Body=b"x" * 1000)["VersionId"]
            messages.append((key, version_id))
            number += 1
        handled = bare = 0.0
        for first in range(0, count, batch):
            part = messages[first : first + batch]
            event = {"Records": [_message(*message) for message in part]}
            start = time.perf_counter()
            failed = handler(event, Context())["batchItemFailures"]
            handled += time.perf_counter() - start
            if failed:
                raise RuntimeError(f"The handler failed on {len(failed)} messages.")
            start = time.perf_counter()
            for key, version_id in part:
                body = s3.get_object(Bucket="raw", Key=key, VersionId=version_id)["Body"].read()
                s3.put_object(Bucket="provenance", Key=f"bare/{key}", Body=body)
            bare += time.perf_counter() - start
        print(json.dumps({"handler": handled, "bare": bare}), file=answers, flush=True)


def _message(key: str, version_id: str) -> dict[str, Any]:
    return {
        "messageId": f"{key}-{version_id}",
        "receiptHandle": "-",
        "body": notification(key, version_id),
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "md5OfBody": "-",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:bench",
        "awsRegion": "us-east-1",
    }


def main() -> None:
    """Run the one named on the command line."""
    command, *arguments = sys.argv[1:]
    if command == "serve":
        serve(Path(arguments[0]))
    elif command == "import":
        sys.path[:0] = arguments[1:]
        print(time_import(arguments[0]), flush=True)
    else:
        sys.path[:0] = arguments[:2]
        receipts(int(arguments[2]))


if __name__ == "__main__":
    main()
