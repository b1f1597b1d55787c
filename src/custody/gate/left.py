"""What the gate left, told once: a message when the set of left versions changes, and then a report of it.

The message goes out first. A gate that stops between the two sends it again; one that wrote the report first
might never send it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from custody.documents import Fields, parse_object
from custody.evidence.creation import create_object
from custody.evidence.objects import ObjectVersion
from custody.gate.receipts import Left
from custody.times import format_time

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LeftVersions = Mapping[ObjectVersion, Left]

LEFT_TYPE = "urn:custody:left:v1"
NAMED = 20
"""How many versions a message names."""
_MAX_REPORT_BYTES = 512 * 1024 * 1024


class SnsClient(Protocol):
    """What is needed of Amazon SNS."""

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> Any:  # noqa: N803 - the service's names
        """Send a message to a topic."""
        ...


class LeftReports:
    """The reports of one table, ``<folder>_left/<number, 10 digits>.json`` in the processed bucket."""

    def __init__(self, s3: S3Client, bucket: str, folder: str, table: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._folder = f"{folder}_left/"
        self._table = table

    def last(self) -> tuple[int, dict[ObjectVersion, Left]]:
        """The newest report's number, and what it says by version; 0 and nothing if there is no report.

        Raises ``EvidenceError`` if it cannot be read.
        """
        newest = ""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._folder)
        for page in pages:
            for item in page.get("Contents", ()):
                newest = item["Key"]
        if not newest:
            return 0, {}
        data = self._s3.get_object(Bucket=self._bucket, Key=newest)["Body"].read()
        subject = f"report s3://{self._bucket}/{newest}"
        report = Fields(parse_object(data, subject, _MAX_REPORT_BYTES), subject)
        left = [
            Left(
                ObjectVersion(item.words("bucket"), item.words("key"), item.words("version_id")),
                item.words("reason"),
                item.text("detail"),
            )
            for item in report.objects("left")
        ]
        return report.natural("number"), {found.version: found for found in left}

    def tell(self, sns: SnsClient, topic_arn: str, left: LeftVersions, now: datetime) -> None:
        """Send a message, then write a report, if ``left`` is not what the newest report has."""
        number, before = self.last()
        if _reasons(left) == _reasons(before):
            return
        subject, message = self._words(left, before)
        sns.publish(TopicArn=topic_arn, Subject=subject, Message=message)
        document = {
            "type": LEFT_TYPE,
            "table": self._table,
            "number": number + 1,
            "created_at": format_time(now),
            "left": [
                {
                    "bucket": version.bucket,
                    "key": version.key,
                    "version_id": version.version_id,
                    "reason": found.reason,
                    "detail": found.detail,
                }
                for version, found in sorted(left.items())
            ],
        }
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        key = f"{self._folder}{number + 1:010d}.json"
        create_object(self._s3, self._bucket, key, body, "application/json")

    def _words(self, left: LeftVersions, before: LeftVersions) -> tuple[str, str]:
        """Subject (at most 100 characters, Amazon SNS API Reference, "Publish") and text of the message."""
        if not left:
            return (
                "custody: the gate leaves nothing any more",
                f"Every object version of the table {self._table} that was left has been let through, "
                "or is no more.",
            )
        lines = [
            f"The gate leaves {_versions(len(left))} of the table {self._table}: no job reads them. "
            f"New since the last report: {len(left.keys() - before.keys())}.",
            "",
        ]
        news_first = sorted(left.items(), key=lambda item: (item[0] in before, item[0]))
        lines += [f"{version.uri}: {found.reason}" for version, found in news_first[:NAMED]]
        if len(left) > NAMED:
            lines.append(f"and {len(left) - NAMED} more")
        lines += [
            "",
            f"All of them, with what was found: the newest report below s3://{self._bucket}/{self._folder}",
            "What to do: custody verify on one of them says what is wrong; custody backfill records what has "
            "no receipt.",
        ]
        return f"custody: the gate leaves {_versions(len(left))} of {self._table}"[:100], "\n".join(lines)


def _versions(count: int) -> str:
    return f"{count} object version{'' if count == 1 else 's'}"


def _reasons(left: LeftVersions) -> dict[ObjectVersion, str]:
    return {version: str(found.reason) for version, found in left.items()}
