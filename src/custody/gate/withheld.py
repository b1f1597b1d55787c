"""Reports of withheld versions: a message when the set of withheld versions changes, and then a report.

The message is sent first. A gate that stops between the two sends it again; if the report were written first,
the message might never be sent.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.evidence.creation import create_object
from custody.evidence.objects import ObjectVersion
from custody.gate.receipts import Withheld
from custody.times import format_time

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WITHHELD_TYPE = "urn:custody:withheld:v1"
NAMED = 20
"""How many versions a message names."""
MAX_NAMED = 20_000
"""How many versions a report names; of the others it keeps 16 bytes each, so that they do not count as
new."""
_DIGEST_BYTES = 16
_MAX_REPORT_BYTES = 512 * 1024 * 1024
_REPORT = re.compile(r"[0-9]{10}\.json")
_OLD_FOLDER, _OLD_NAME = "_left/", "left"
"""Former names of the folder and the list; a report there is read until there is a newer one."""


class SnsClient(Protocol):
    """The part of the Amazon SNS client that is used."""

    def publish(self, *, TopicArn: str, Subject: str, Message: str) -> Any:  # noqa: N803 - the service's names
        """Send a message to a topic."""
        ...


@dataclass
class WithheldVersions:
    """Withheld versions: up to ``MAX_NAMED`` with their reasons, and a digest of each of the others."""

    named: dict[ObjectVersion, Withheld] = field(default_factory=dict)
    others: set[bytes] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.named) + len(self.others)

    def __contains__(self, version: ObjectVersion) -> bool:
        return version in self.named or (bool(self.others) and _digest(version) in self.others)

    def add(self, withheld: Withheld) -> None:
        """Add a version, or update its reason."""
        if withheld.version in self.named or len(self.named) < MAX_NAMED:
            self.named[withheld.version] = withheld
            self.others.discard(_digest(withheld.version))
        else:
            self.others.add(_digest(withheld.version))

    def keep_one(self, version: ObjectVersion, before: WithheldVersions) -> None:
        """Add a version with its earlier reason."""
        if (withheld := before.named.get(version)) is not None:
            self.add(withheld)
        elif version not in self.named:
            self.others.add(_digest(version))

    def keep(self, before: WithheldVersions, is_kept: Callable[[ObjectVersion], bool]) -> None:
        """Add earlier versions that are kept, unless they have a new reason."""
        for version, withheld in before.named.items():
            if version not in self and is_kept(version):
                self.add(withheld)
        self.others |= before.others - {_digest(version) for version in self.named}

    def is_told_as(self, before: WithheldVersions) -> bool:
        """Whether they are the same versions, for the same reasons as far as both name them."""
        said, said_before = _reasons(self), _reasons(before)
        both = said.keys() & said_before.keys()
        return self.digests() == before.digests() and all(
            said[version] == said_before[version] for version in both
        )

    def digests(self) -> set[bytes]:
        """A digest of each version."""
        return {*map(_digest, self.named), *self.others}


class WithheldReports:
    """The reports of one table, ``<folder>_withheld/<number, 10 digits>.json`` in the processed bucket."""

    def __init__(self, s3: S3Client, bucket: str, folder: str, table: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._table_folder = folder
        self._folder = f"{folder}_withheld/"
        self._table = table

    def last(self) -> tuple[int, WithheldVersions]:
        """The newest report's number and content; 0 and an empty set if there is no report.

        Raises ``EvidenceError`` if it cannot be read. Objects with other names are not reports.
        """
        number, key = self._newest()
        return (number, self._read(key, number)) if key else (0, WithheldVersions())

    def _newest(self) -> tuple[int, str]:
        for folder in (self._folder, self._table_folder + _OLD_FOLDER):
            newest = ""
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=folder)
            for page in pages:
                for item in page.get("Contents", ()):
                    if _REPORT.fullmatch(item["Key"].removeprefix(folder)):
                        newest = item["Key"]
            if newest:
                return int(newest.removeprefix(folder).removesuffix(".json")), newest
        return 0, ""

    def _read(self, key: str, number: int) -> WithheldVersions:
        data = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        subject = f"report s3://{self._bucket}/{key}"
        document = parse_object(data, subject, _MAX_REPORT_BYTES)
        report = Fields(document, subject)
        if report.natural("number") != number:
            raise EvidenceError(f"The {subject} has another number in its content.")
        found = WithheldVersions()
        for item in report.objects("withheld" if "withheld" in document else _OLD_NAME):
            version = ObjectVersion(item.words("bucket"), item.words("key"), item.words("version_id"))
            found.named[version] = Withheld(version, item.words("reason"), item.text("detail"))
        try:
            digests = base64.b64decode(report.optional_text("others") or "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise EvidenceError(f"The {subject}'s others are not Base64.") from error
        found.others = {digests[at : at + _DIGEST_BYTES] for at in range(0, len(digests), _DIGEST_BYTES)}
        return found

    def tell(
        self,
        sns: SnsClient,
        topic_arn: str,
        withheld: WithheldVersions,
        before: WithheldVersions,
        now: datetime,
    ) -> None:
        """Send a message, then write a report, if ``withheld`` differs from the newest report."""
        number, newest = self._newest()
        if newest and withheld.is_told_as(before):
            return
        if not newest and not len(withheld):
            return
        subject, message = self._words(withheld, before)
        sns.publish(TopicArn=topic_arn, Subject=subject, Message=message)
        document = {
            "type": WITHHELD_TYPE,
            "table": self._table,
            "number": number + 1,
            "created_at": format_time(now),
            "withheld": [
                {
                    "bucket": version.bucket,
                    "key": version.key,
                    "version_id": version.version_id,
                    "reason": found.reason,
                    "detail": found.detail,
                }
                for version, found in sorted(withheld.named.items())
            ],
        }
        if withheld.others:
            document["others"] = base64.b64encode(b"".join(sorted(withheld.others))).decode()
        body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        key = f"{self._folder}{number + 1:010d}.json"
        create_object(self._s3, self._bucket, key, body, "application/json")

    def _words(self, withheld: WithheldVersions, before: WithheldVersions) -> tuple[str, str]:
        """Subject (at most 100 characters, Amazon SNS API Reference, "Publish") and text of the message."""
        if not len(withheld):
            return (
                "custody: the gate no longer withholds any object versions",
                f"Every object version of the table {self._table} that was withheld has been handed out, "
                "decided upon, replaced or deleted.",
            )
        news = len(withheld.digests() - before.digests())
        lines = [
            f"The gate withholds {_versions(len(withheld))} of the table {self._table}: their rows are not "
            "in the table. "
            f"New since the last report: {news}.",
            "",
        ]
        news_first = sorted(withheld.named.items(), key=lambda item: (item[0] in before, item[0]))
        lines += [f"{version.uri}: {found.reason}" for version, found in news_first[:NAMED]]
        if len(withheld) > NAMED:
            lines.append(f"and {len(withheld) - NAMED} more")
        lines += [
            "",
            f"The newest report lists all of them with details, below s3://{self._bucket}/{self._folder}",
            "What to do: custody verify on one of them shows what is wrong with its evidence; custody "
            "backfill records versions without a receipt. If one does not meet its contract, upload it "
            "again corrected, or decide upon it.",
        ]
        subject = f"custody: the gate withholds {_versions(len(withheld))} of {self._table}"
        return subject[:100], "\n".join(lines)


def _versions(count: int) -> str:
    return f"{count} object version{'' if count == 1 else 's'}"


def _reasons(withheld: WithheldVersions) -> dict[ObjectVersion, str]:
    return {version: str(found.reason) for version, found in withheld.named.items()}


def _digest(version: ObjectVersion) -> bytes:
    identity = f"{version.bucket}\n{version.key}\n{version.version_id}"
    return hashlib.sha256(identity.encode()).digest()[:_DIGEST_BYTES]
