"""Benchmark of reading the trail: events per processor second, against the standard library.

    python -m scripts.bench.trail EVENTS

The kit reads gzipped log files as ``custody verify`` does: their hash, and the writes, deletions and
signatures in them. The reference decompresses and reads the same files with ``gzip`` and ``json``, hashes
them, and picks the writes. One in four events is a write, the others are reads. Prints a JSON document with
``kit`` and ``bare``, in processor seconds, the best of alternating rounds.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import sys
import time
from typing import Any

from custody.trail.log_files import WRITES, parse_log_file
from scripts.toolchain.toolchain import ToolError

EVENTS_A_FILE = 5000
ROUNDS = 3


def kit(files: list[bytes]) -> int:
    """Read every file; the number of writes."""
    return sum(len(parse_log_file(data).writes) for data in files)


def bare(files: list[bytes]) -> int:
    """The same with the standard library."""
    writes = []
    for data in files:
        text = gzip.decompress(data)
        hashlib.sha256(text).hexdigest()
        for record in json.loads(text)["Records"]:
            if (
                record["eventSource"] == "s3.amazonaws.com"
                and record["eventName"] in WRITES
                and record.get("errorCode") is None
            ):
                request, response = record["requestParameters"], record["responseElements"]
                writes.append((request["bucketName"], request["key"], response["x-amz-version-id"]))
    return len(writes)


def log_file(first: int, count: int, chance: random.Random) -> bytes:
    """A log file of data events of Amazon S3, with the fields that CloudTrail gives them."""
    return gzip.compress(
        json.dumps({"Records": [record(first + number, chance) for number in range(count)]}).encode(), mtime=0
    )


def record(number: int, chance: random.Random) -> dict[str, Any]:
    """One event, in the shape of the CloudTrail User Guide's example of a data event."""
    bucket, key = "custody-dev-raw-data-123456789012", f"incoming/orders/{number:09}.csv"
    is_write = number % 4 == 0
    role = "arn:aws:iam::123456789012:role/custody-dev-producer"
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROADBQP57FF2AEXAMPLE:loader",
            "arn": "arn:aws:sts::123456789012:assumed-role/custody-dev-producer/loader",
            "accountId": "123456789012",
            "accessKeyId": "EXAMPLE",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role",
                    "principalId": "AROADBQP57FF2AEXAMPLE",
                    "arn": role,
                    "accountId": "123456789012",
                    "userName": "custody-dev-producer",
                },
                "attributes": {"creationDate": "2026-03-10T08:00:00Z", "mfaAuthenticated": "false"},
            },
        },
        "eventTime": f"2026-03-10T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject" if is_write else "GetObject",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "192.0.2.10",
        "userAgent": "[aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux#6.8 md/arch#x86_64 lang/python#3.13]",
        "requestParameters": {
            "bucketName": bucket,
            "key": key,
            "Host": f"{bucket}.s3.eu-central-1.amazonaws.com",
        },
        "responseElements": {
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-version-id": f"{chance.getrandbits(128):032x}",
        }
        if is_write
        else None,
        "additionalEventData": {
            "SignatureVersion": "SigV4",
            "CipherSuite": "TLS_AES_128_GCM_SHA256",
            "bytesTransferredIn": 25701.0 if is_write else 0,
            "AuthenticationMethod": "AuthHeader",
            "x-amz-id-2": f"{chance.getrandbits(256):064x}",
            "bytesTransferredOut": 0 if is_write else 25701.0,
        },
        "requestID": f"{chance.getrandbits(64):016X}",
        "eventID": f"{chance.getrandbits(128):032x}",
        "readOnly": not is_write,
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"},
            {"accountId": "123456789012", "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"},
        ],
        "eventType": "AwsApiCall",
        "managementEvent": False,
        "recipientAccountId": "123456789012",
        "eventCategory": "Data",
        "tlsDetails": {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": f"{bucket}.s3.eu-central-1.amazonaws.com",
        },
    }


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1])
    chance = random.Random(1)  # noqa: S311 - the same data each time
    files = [log_file(first, EVENTS_A_FILE, chance) for first in range(0, count, EVENTS_A_FILE)]
    seconds: dict[str, list[float]] = {"kit": [], "bare": []}
    writes = set()
    for _ in range(ROUNDS):
        for name, read in (("kit", kit), ("bare", bare)):
            start = time.process_time()
            writes.add(read(files))
            seconds[name].append(time.process_time() - start)
    if len(writes) != 1:
        raise ToolError("The two have read different writes.")
    print(json.dumps({name: min(found) for name, found in seconds.items()}))


if __name__ == "__main__":
    main()
