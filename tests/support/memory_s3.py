"""An S3 client for one versioned bucket in memory, whose every call a test can interrupt."""

# ruff: noqa: N803 - the names are boto3's

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

Interruption = Callable[[int, str, bool], None]
"""Called with the number of a call, what it is (``put log/checkpoint``), and whether it has been done."""


@dataclass
class Written:
    data: bytes
    version_id: str
    last_modified: datetime

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data + self.version_id.encode()).hexdigest()}"'  # noqa: S324 - as S3 has it


@dataclass
class MemoryS3:
    """The calls that the sealer makes, with conditional writes as Amazon S3 has them."""

    interrupt: Interruption = lambda number, what, done: None
    now: datetime = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
    objects: dict[str, list[Written]] = field(default_factory=dict)
    calls: int = 0

    def put_object(self, *, Key: str, Body: bytes, **request: Any) -> dict[str, Any]:
        def put() -> dict[str, Any]:
            there = self.objects.get(Key)
            if "IfNoneMatch" in request and there:
                raise _refused("PreconditionFailed", 412)
            if "IfMatch" in request and (not there or there[-1].etag != request["IfMatch"]):
                raise _refused("PreconditionFailed" if there else "NoSuchKey", 412)
            self.now += timedelta(milliseconds=300)
            written = Written(Body, f"v{len(self.objects.get(Key, ()))}", self.now.replace(microsecond=0))
            self.objects.setdefault(Key, []).append(written)
            return {"VersionId": written.version_id, "ETag": written.etag}

        return self._call(f"put {Key}", put)

    def get_object(self, *, Key: str, **_: Any) -> dict[str, Any]:
        def get() -> dict[str, Any]:
            if Key not in self.objects:
                raise _refused("NoSuchKey", 404)
            found = self.objects[Key][-1]
            return {
                "Body": io.BytesIO(found.data),
                "ContentLength": len(found.data),
                "ETag": found.etag,
                "VersionId": found.version_id,
                "LastModified": found.last_modified,
            }

        return self._call(f"get {Key}", get)

    def get_paginator(self, _: str) -> MemoryS3:
        return self

    def paginate(self, *, Prefix: str, StartAfter: str, **_: Any) -> Iterator[dict[str, Any]]:
        names = sorted(key for key in self.objects if key.startswith(Prefix) and key > StartAfter)
        for at in range(0, len(names) or 1, 3):  # short pages: several of them in every test
            yield self._call(f"list {Prefix}", partial(self._page, names[at : at + 3]))

    def _page(self, keys: list[str]) -> dict[str, Any]:
        return {
            "Contents": [{"Key": key, "LastModified": self.objects[key][-1].last_modified} for key in keys]
        }

    def _call(self, what: str, action: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self.calls += 1
        number = self.calls
        self.interrupt(number, what, False)
        answer = action()
        self.interrupt(number, what, True)
        return answer

    def data(self, key: str) -> bytes:
        return self.objects[key][-1].data


def _refused(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Call",
    )
