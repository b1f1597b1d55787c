from __future__ import annotations

import errno
import json
import os
import random
import shutil
import tempfile
import threading
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import moto.s3.models
import pytest
from botocore.exceptions import ConnectionClosedError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import custody.upload.upload
from custody.errors import UsageError
from custody.evidence.objects import ObjectVersion, S3Location
from custody.upload import file as upload_file
from custody.upload.file import MAX_PARTS, part_bytes_of, parts_of
from custody.upload.plan import MAX_OBJECT_BYTES, plan_upload
from custody.upload.state import KEEP_SECONDS, UploadStates
from custody.upload.upload import Outcome, Progress, UploadedFile, exit_code, upload_files
from scripts.local_aws.patches import s3_checksums
from tests.support.evidence import refused
from tests.unit.cloud import Cloud, deployed
from tests.unit.report.sample import RAW

s3_checksums.apply()

PART = 1024 * 1024
"""A part in these tests: large enough for what follows, small enough for many of them."""


@dataclass
class Desk:
    """A cloud, a folder of files, and who uploads them: a producer, who may not read, unless ``reads``."""

    cloud: Cloud
    folder: Path
    states: Path
    reads: bool = False
    pauses: list[float] = field(default_factory=list)

    @property
    def s3(self) -> Any:
        return self.cloud.client("s3")

    def file(self, size_bytes: int = 3 * PART + 5, name: str = "big.csv") -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(random.Random(size_bytes).randbytes(size_bytes))
        return path

    def upload(self, *paths: Path, **options: Any) -> list[UploadedFile]:
        planned = plan_upload(self.cloud.deployment, paths, S3Location(RAW, "incoming/")).files
        now = iter(range(10_000))
        with nullcontext() if self.reads else refused(self.s3, "HeadObject", 403, "403"):
            return upload_files(
                self.s3,
                self.cloud.deployment,
                planned,
                UploadStates(self.states),
                clock=lambda: next(now) / 10 + sum(self.pauses),
                **{"sleep": self.pauses.append} | options,
            )

    def versions(self, key: str = "incoming/big.csv") -> list[bytes]:
        """The contents of an object's versions, newest first."""
        listed = self.s3.list_object_versions(Bucket=RAW, Prefix=key).get("Versions", [])
        return [
            self.s3.get_object(Bucket=RAW, Key=key, VersionId=each["VersionId"])["Body"].read()
            for each in listed
        ]

    def put_by_another(self, body: bytes) -> None:
        checksum = b64encode(sha256(body).digest()).decode()
        self.s3.put_object(Bucket=RAW, Key="incoming/big.csv", Body=body, ChecksumSHA256=checksum)

    def unfinished(self) -> int:
        return len(self.s3.list_multipart_uploads(Bucket=RAW).get("Uploads", []))

    def remembered(self) -> int:
        """How many files' uploads have not come to their end."""
        return [json.loads(path.read_bytes()).get("finished") for path in self.states.iterdir()].count(0)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Desk]:
    monkeypatch.setattr(upload_file, "PART_BYTES", PART)
    monkeypatch.setattr(moto.s3.models, "S3_UPLOAD_PART_MIN_SIZE", PART)
    with deployed(monkeypatch) as cloud:
        yield Desk(cloud, tmp_path / "files", tmp_path / "state" / "custody" / "uploads")


@contextmanager
def asked(
    s3: Any, before: Callable[[str, dict[str, Any]], None] = lambda operation, query: None
) -> Iterator[list[str]]:
    """Yield the operations sent to S3, each after ``before`` has been called with it."""
    operations: list[str] = []

    def note(model: Any, params: dict[str, Any], **_: Any) -> None:
        before(model.name, params["query_string"])
        operations.append(model.name)

    s3.meta.events.register_first("before-call.s3", note)
    try:
        yield operations
    finally:
        s3.meta.events.unregister("before-call.s3", note)


def only(uploaded: list[UploadedFile]) -> UploadedFile:
    assert len(uploaded) == 1
    return uploaded[0]


class Crash(BaseException):
    """The process ends here, as far as the code can tell."""


# what lands


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@example(size_bytes=0)
@example(size_bytes=PART)
@example(size_bytes=PART + 1)
@example(size_bytes=3 * PART)
@given(
    size_bytes=st.tuples(st.integers(0, 3), st.integers(-2, 2)).map(lambda at: max(0, at[0] * PART + at[1]))
)
def test_a_file_of_any_size_lands_as_it_is(desk: Desk, size_bytes: int) -> None:
    path = desk.file(size_bytes)
    with asked(desk.s3) as operations:
        uploaded = only(desk.upload(path, replacing=True))
    parts = max(1, -(-size_bytes // PART))
    data = path.read_bytes()
    assert uploaded.outcome is Outcome.UPLOADED
    assert uploaded.sha256 == sha256(data).hexdigest()
    assert (uploaded.parts, uploaded.parts_sent) == (parts, parts)
    assert operations.count("UploadPart") == (parts if parts > 1 else 0)
    assert operations.count("PutObject") == (1 if parts == 1 else 0)
    assert uploaded.version is not None
    stored = desk.s3.get_object(
        Bucket=RAW, Key="incoming/big.csv", VersionId=uploaded.version.version_id, ChecksumMode="ENABLED"
    )
    assert stored["Body"].read() == data
    assert stored["ChecksumSHA256"]
    assert (desk.unfinished(), desk.remembered()) == (0, 0)


@given(size_bytes=st.integers(0, MAX_OBJECT_BYTES))
@example(size_bytes=MAX_OBJECT_BYTES)
@example(size_bytes=MAX_PARTS * upload_file.PART_BYTES)
@example(size_bytes=MAX_PARTS * upload_file.PART_BYTES + 1)
def test_the_parts_of_any_file_are_such_as_s3_takes(size_bytes: int) -> None:
    part_bytes = part_bytes_of(size_bytes)
    assert part_bytes >= 8 * 1024**2
    assert part_bytes % 1024**2 == 0
    assert part_bytes < 5 * 1024**3
    assert 1 <= parts_of(size_bytes) <= MAX_PARTS
    assert size_bytes <= parts_of(size_bytes) * part_bytes


def test_every_part_and_every_file_is_sent_with_its_sha256_and_never_over_another(desk: Desk) -> None:
    headers: dict[str, list[Any]] = {}

    def note(model: Any, params: dict[str, Any], **_: Any) -> None:
        headers.setdefault(model.name, []).append(params["headers"])

    desk.s3.meta.events.register_first("before-call.s3", note)
    try:
        desk.upload(desk.file(), desk.file(5, "small.csv"))
    finally:
        desk.s3.meta.events.unregister("before-call.s3", note)
    assert all("x-amz-checksum-sha256" in each for each in headers["UploadPart"] + headers["PutObject"])
    [create] = headers["CreateMultipartUpload"]
    assert create["x-amz-checksum-algorithm"] == "SHA256"
    [complete] = headers["CompleteMultipartUpload"]
    assert complete["x-amz-mp-object-size"] == str(3 * PART + 5)
    for each in (complete, *headers["PutObject"]):
        assert each["If-None-Match"] == "*"


def test_names_are_kept_whatever_is_in_them(desk: Desk) -> None:
    for name in ("a\nb.csv", "a b+c%20.csv", "ключ", "x.."):
        desk.file(5, name)
    uploaded = desk.upload(desk.folder)
    assert {each.outcome for each in uploaded} == {Outcome.UPLOADED}
    keys = {entry["Key"] for entry in desk.s3.list_objects_v2(Bucket=RAW)["Contents"]}
    assert keys == {"incoming/a\nb.csv", "incoming/a b+c%20.csv", "incoming/ключ", "incoming/x.."}


def test_progress_counts_what_is_there_and_what_was_sent(desk: Desk) -> None:
    seen: list[Progress] = []
    paths = [desk.file(), *(desk.file(10, f"{n}.csv") for n in range(40))]
    desk.upload(*paths, on_progress=lambda progress: seen.append(replace(progress)))
    assert seen[-1] == Progress(41, 3 * PART + 405, 41, 3 * PART + 405, 3 * PART + 405)
    assert [each.bytes_done for each in seen] == sorted(each.bytes_done for each in seen)


# existing objects


@pytest.mark.parametrize("size_bytes", [0, 10, PART + 1, 3 * PART])
def test_what_is_there_already_costs_no_bytes_where_s3_may_be_asked(desk: Desk, size_bytes: int) -> None:
    desk.reads = True
    path = desk.file(size_bytes)
    first = only(desk.upload(path))
    shutil.rmtree(desk.states)
    with asked(desk.s3) as operations:
        again = desk.upload(path)
    assert operations == ["HeadObject"]
    assert (only(again).outcome, only(again).version, only(again).sha256) == (
        Outcome.SAME,
        first.version,
        sha256(path.read_bytes()).hexdigest(),
    )
    assert "with the same content, according to its checksum" in only(again).detail
    assert exit_code(again) == 0

    path.write_bytes(b"x" * size_bytes + b"x")
    with asked(desk.s3) as operations:
        other = desk.upload(path)
    assert operations == ["HeadObject"]
    assert (only(other).outcome, only(other).sha256) == (Outcome.EXISTS, None)
    assert f"other content: {size_bytes} bytes, this file has {size_bytes + 1}" in only(other).detail
    assert exit_code(other) == 1
    assert (len(desk.versions()), desk.unfinished()) == (1, 0)


def test_other_content_of_the_same_size_is_told_by_what_can_be_read(desk: Desk) -> None:
    desk.reads = True
    path = desk.file(10)
    version = only(desk.upload(path)).version
    assert version is not None
    path.write_bytes(b"0123456789")
    other = desk.upload(path)
    assert "other content, according to its checksum. Nothing was overwritten" in only(other).detail
    assert exit_code(other) == 1

    # Other tools store another checksum than SHA-256: then the receipt says it.
    desk.s3.put_object(Bucket=RAW, Key="incoming/big.csv", Body=b"0123456789", ChecksumAlgorithm="CRC32")
    [entry, _] = desk.s3.list_object_versions(Bucket=RAW)["Versions"]
    version = ObjectVersion(RAW, entry["Key"], entry["VersionId"])
    with asked(desk.s3) as operations:
        unknown = desk.upload(path)
    assert "You may not see" in only(unknown).detail
    assert "--replace" in only(unknown).detail
    assert (exit_code(unknown), operations) == (1, ["HeadObject", "GetObject"])
    desk.cloud.record(version, b"0123456789")
    assert (only(desk.upload(path)).outcome, only(desk.upload(path)).version) == (Outcome.SAME, version)
    path.write_bytes(b"9876543210")
    assert "other content, according to its receipt" in only(desk.upload(path)).detail
    desk.s3.put_object(Bucket=desk.cloud.deployment.buckets["provenance"], Key=version.receipt_key, Body=b"{")
    invalid = desk.upload(path)
    assert "Its receipt is not valid" in only(invalid).detail
    assert exit_code(invalid) == 1
    assert len(desk.versions()) == 2


@pytest.mark.parametrize("size_bytes", [10, 3 * PART])
def test_a_producer_learns_of_an_object_by_the_refusal_and_leaves_no_open_upload(
    desk: Desk, size_bytes: int
) -> None:
    desk.cloud.put("incoming/big.csv")
    path = desk.file(size_bytes)
    refused_one = desk.upload(path)
    assert only(refused_one).outcome is Outcome.EXISTS
    assert "You may not see" in only(refused_one).detail
    assert "--replace" in only(refused_one).detail
    assert exit_code(refused_one) == 1
    assert (len(desk.versions()), desk.unfinished(), desk.remembered()) == (1, 0, 0)
    assert only(desk.upload(path, replacing=True)).outcome is Outcome.UPLOADED
    assert desk.versions()[0] == path.read_bytes()
    assert len(desk.versions()) == 2


@pytest.mark.parametrize("size_bytes", [10, 3 * PART])
def test_what_a_producer_uploaded_is_not_sent_again(desk: Desk, size_bytes: int) -> None:
    path = desk.file(size_bytes)
    first = only(desk.upload(path)).version
    with asked(desk.s3) as operations:
        again = desk.upload(path)
    assert operations == ["GetObjectTagging"]
    assert (only(again).outcome, only(again).version, exit_code(again)) == (Outcome.SAME, first, 0)
    assert only(desk.upload(path, replacing=True)).version != first
    assert len(desk.versions()) == 2


def test_who_was_denied_does_not_ask_again_for_a_week(desk: Desk) -> None:
    looks = 0

    def count(**_: Any) -> None:
        nonlocal looks
        looks += 1

    paths = [desk.file(10, f"{n}.csv") for n in range(5)]
    desk.s3.meta.events.register_first("provide-client-params.s3.HeadObject", count)
    try:
        desk.upload(*paths)
        assert looks == 1
        desk.upload(*paths)
        assert looks == 1
        for state in desk.states.iterdir():
            os.utime(state, (0, state.stat().st_mtime - KEEP_SECONDS - 60))
        desk.upload(*paths)
        assert looks == 2
        # a denial of everything says nothing about reading
        shutil.rmtree(desk.states)
        with refused(desk.s3, "PutObject", 403, "ExpiredToken"):
            desk.upload(paths[0])
        desk.upload(*paths)
        assert looks == 4
    finally:
        desk.s3.meta.events.unregister("provide-client-params.s3.HeadObject", count)


@pytest.mark.parametrize("size_bytes", [10, 3 * PART])
@pytest.mark.parametrize("same", [True, False])
def test_an_object_that_comes_meanwhile_stays_as_it_is(desk: Desk, size_bytes: int, same: bool) -> None:
    desk.reads = True
    path = desk.file(size_bytes)
    body = path.read_bytes() if same else b"x" * size_bytes

    overtaken = []

    def overtake(operation: str, _: dict[str, Any]) -> None:
        if operation in {"PutObject", "CompleteMultipartUpload"} and not overtaken:
            overtaken.append(operation)
            for state in desk.states.iterdir():  # another run of the same command ends
                state.unlink()
            desk.put_by_another(body)

    with asked(desk.s3, overtake):
        uploaded = desk.upload(path)
    assert only(uploaded).outcome is (Outcome.SAME if same else Outcome.EXISTS)
    assert desk.versions() == [body]
    assert desk.unfinished() == 0


def test_an_upload_that_was_begun_is_not_left_open_where_the_object_is_there_by_now(desk: Desk) -> None:
    desk.reads = True
    path = desk.file()
    _interrupted(desk, path)
    desk.put_by_another(path.read_bytes())
    assert only(desk.upload(path)).outcome is Outcome.SAME
    assert (desk.unfinished(), desk.remembered()) == (0, 0)


@pytest.mark.parametrize("size_bytes", [0, 10, PART + 1])
def test_an_upload_that_was_begun_is_not_left_open_where_the_file_is_another_by_now(
    desk: Desk, size_bytes: int
) -> None:
    path = desk.file()
    _interrupted(desk, path)
    path.write_bytes(b"x" * size_bytes)
    assert only(desk.upload(path)).outcome is Outcome.UPLOADED
    assert (desk.unfinished(), desk.remembered()) == (0, 0)


def test_an_upload_that_was_begun_is_not_left_open_where_the_file_grows_at_its_next_begin(desk: Desk) -> None:
    path = desk.file()
    _interrupted(desk, path)
    planned = plan_upload(desk.cloud.deployment, [path], S3Location(RAW, "incoming/")).files
    _append(path)
    uploaded = upload_files(desk.s3, desk.cloud.deployment, planned, UploadStates(desk.states))
    assert only(uploaded).outcome is Outcome.CHANGED
    assert (desk.unfinished(), desk.remembered()) == (0, 0)


def test_a_lost_answer_is_told_where_it_may_be_the_reason(desk: Desk) -> None:
    desk.cloud.put("incoming/big.csv")
    path = desk.file(10)
    assert "lost" not in only(desk.upload(path)).detail

    def lose(attempts: int, **_: Any) -> float | None:
        return 0 if attempts == 1 else None

    desk.s3.meta.events.register_first("needs-retry.s3.PutObject", lose)
    try:
        assert "lost before" in only(desk.upload(path)).detail
    finally:
        desk.s3.meta.events.unregister("needs-retry.s3.PutObject", lose)


def test_what_is_wrong_with_the_credentials_is_told_by_the_request_that_says_it(desk: Desk) -> None:
    desk.reads = True
    path = desk.file(10)
    with refused(desk.s3, "HeadObject", 400, "400"), refused(desk.s3, "PutObject", 400, "ExpiredToken"):
        uploaded = desk.upload(path)
    assert only(uploaded).outcome is Outcome.FAILED
    assert "ExpiredToken" in only(uploaded).detail


def test_a_write_that_is_under_way_is_not_overtaken(desk: Desk) -> None:
    with refused(desk.s3, "PutObject", 409, "ConditionalRequestConflict"):
        uploaded = only(desk.upload(desk.file(10)))
    assert uploaded.outcome is Outcome.EXISTS
    assert "Somebody else is writing" in uploaded.detail


# errors during the upload


def test_a_broken_connection_costs_only_what_had_not_arrived(desk: Desk) -> None:
    path = desk.file(6 * PART)

    def break_third(operation: str, query: dict[str, Any]) -> None:
        if operation == "UploadPart" and query["partNumber"] == 3:
            raise ConnectionClosedError(endpoint_url="https://s3")

    with asked(desk.s3, break_third) as operations:
        broken = desk.upload(path)
    assert only(broken).outcome is Outcome.FAILED
    assert "same command again" in only(broken).detail
    assert exit_code(broken) == 3
    assert "AbortMultipartUpload" not in operations
    assert desk.versions() == []
    [begun] = desk.s3.list_multipart_uploads(Bucket=RAW)["Uploads"]
    listed = desk.s3.list_parts(Bucket=RAW, Key=begun["Key"], UploadId=begun["UploadId"])
    arrived = len(listed.get("Parts", []))

    with asked(desk.s3) as operations:
        resumed = only(desk.upload(path))
    assert (resumed.outcome, resumed.parts, resumed.parts_sent) == (Outcome.UPLOADED, 6, 6 - arrived)
    assert operations == ["ListParts"] + ["UploadPart"] * (6 - arrived) + ["CompleteMultipartUpload"]
    assert arrived < 6
    assert desk.versions() == [path.read_bytes()]
    assert (desk.unfinished(), desk.remembered()) == (0, 0)


def test_after_a_failure_no_other_file_is_tried_and_those_there_are_not_sent_again(desk: Desk) -> None:
    paths = [desk.file(10, f"{n:02}.csv") for n in range(60)]
    with refused(desk.s3, "PutObject", 403, "AccessDenied", key="07.csv"):
        uploaded = desk.upload(*paths)
    outcomes = [each.outcome for each in uploaded]
    assert outcomes[7] is Outcome.FAILED
    assert outcomes[:7] == [Outcome.UPLOADED] * 7
    assert outcomes[-20:] == [Outcome.NOT_TRIED] * 20
    assert exit_code(uploaded) == 3

    with asked(desk.s3) as operations:
        again = desk.upload(*paths)
    there = outcomes.count(Outcome.UPLOADED)
    assert Counter(operations) == {"PutObject": 60 - there, "GetObjectTagging": there}
    assert exit_code(again) == 0
    assert [each.version for each in again][:7] == [each.version for each in uploaded][:7]
    assert all(
        each.sha256 == sha256(path.read_bytes()).hexdigest() for each, path in zip(again, paths, strict=True)
    )
    assert desk.remembered() == 0


def test_a_file_that_changed_since_it_was_put_is_not_taken_for_it(desk: Desk) -> None:
    paths = [desk.file(10, name) for name in ("a.csv", "b.csv")]
    with refused(desk.s3, "PutObject", 403, "AccessDenied", key="b.csv"):
        desk.upload(*paths)
    _rewrite(paths[0])
    assert [each.outcome for each in desk.upload(*paths)] == [Outcome.EXISTS, Outcome.UPLOADED]
    # a new version of what has other content alone: the run that uploaded the other has not come to its end
    assert [each.outcome for each in desk.upload(*paths, replacing=True)] == [Outcome.UPLOADED, Outcome.SAME]
    assert desk.versions("incoming/a.csv")[0] == paths[0].read_bytes()


def test_a_file_that_was_edited_with_size_and_time_kept_is_not_taken_for_what_was_put(desk: Desk) -> None:
    paths = [desk.file(10, "a.csv"), desk.file(3 * PART, "big.csv"), desk.file(10, "z.csv")]
    with refused(desk.s3, "PutObject", 403, "AccessDenied", key="z.csv"):
        desk.upload(*paths)
    for path in paths[:2]:
        found = path.stat()
        with path.open("r+b") as file:
            file.write(b"other")
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    again = desk.upload(*paths)
    assert [each.outcome for each in again] == [Outcome.EXISTS, Outcome.EXISTS, Outcome.UPLOADED]
    assert [each.sha256 for each in again] == [sha256(path.read_bytes()).hexdigest() for path in paths]


@pytest.mark.parametrize("gone", ["version", "under a delete marker", "not for the caller to see"])
@pytest.mark.parametrize("size_bytes", [10, 3 * PART])
def test_what_an_earlier_run_put_there_is_asked_of_s3(desk: Desk, gone: str, size_bytes: int) -> None:
    paths = [desk.file(size_bytes, "a.csv"), desk.file(10, "z.csv")]
    with refused(desk.s3, "PutObject", 403, "AccessDenied", key="z.csv"):
        first = desk.upload(*paths)[0].version
    assert first is not None
    if gone == "version":
        desk.s3.delete_object(Bucket=RAW, Key=first.key, VersionId=first.version_id)
        again = desk.upload(*paths)
        assert [each.outcome for each in again] == [Outcome.UPLOADED] * 2
        assert again[0].version != first
        assert desk.versions(first.key) == [paths[0].read_bytes()]
    elif gone == "under a delete marker":
        desk.s3.delete_object(Bucket=RAW, Key=first.key)
        assert desk.upload(*paths)[0].version == first  # it is a version still, and has its receipt
    else:
        with refused(desk.s3, "GetObjectTagging", 403, "AccessDenied", key="a.csv"):
            assert desk.upload(*paths)[0].outcome is Outcome.EXISTS


def test_other_bytes_than_were_read_are_an_error(desk: Desk) -> None:
    for operation, size in (("PutObject", 10), ("UploadPart", 2 * PART)):
        path = desk.file(size)
        with refused(desk.s3, operation, 400, "BadDigest"):
            uploaded = desk.upload(path)
        assert only(uploaded).outcome is Outcome.FAILED
        assert "BadDigest" in only(uploaded).detail
        assert exit_code(uploaded) == 3


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other")


def _shorten(path: Path) -> None:
    os.truncate(path, 2)


def _exchange(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


@pytest.mark.parametrize("change", [_append, _rewrite, _shorten, _exchange, Path.unlink])
@pytest.mark.parametrize("size_bytes", [10, 3 * PART])
def test_a_file_that_changes_while_it_is_uploaded_is_refused(
    desk: Desk, size_bytes: int, change: Callable[[Path], None]
) -> None:
    path = desk.file(size_bytes)
    whole = size_bytes < PART
    changed = []

    def change_once(operation: str, _: dict[str, Any]) -> None:
        if operation == "CreateMultipartUpload" and not changed:
            changed.append(change(path))
        if operation == "UploadPart":
            for state in desk.states.iterdir():  # another run of the same command ends
                state.unlink(missing_ok=True)

    hash_part = upload_file.OpenFile.hash_part

    def hash_then_change(self: Any, *arguments: Any) -> None:
        hash_part(self, *arguments)
        changed.append(change(path))

    with pytest.MonkeyPatch.context() as patch, asked(desk.s3, change_once) as operations:
        if whole:
            patch.setattr(upload_file.OpenFile, "hash_part", hash_then_change)
        uploaded = desk.upload(path)
    assert len(changed) == 1
    assert only(uploaded).outcome is Outcome.CHANGED
    assert exit_code(uploaded) == 1
    assert desk.versions() == []
    assert (desk.unfinished(), desk.remembered()) == (0, 0)
    assert operations.count("AbortMultipartUpload") == (0 if whole else 1)


@pytest.mark.parametrize("change", [_rewrite, _shorten])
def test_bytes_that_change_between_hash_and_sending_do_not_land(
    desk: Desk, change: Callable[[Path], None]
) -> None:
    path = desk.file(10)

    def change_it(operation: str, _: dict[str, Any]) -> None:
        if operation == "PutObject":
            change(path)

    with asked(desk.s3, change_it):
        assert only(desk.upload(path)).outcome is Outcome.CHANGED
    assert desk.versions() == []


def test_a_file_that_has_more_than_its_size_says_is_refused(desk: Desk) -> None:
    assert only(desk.upload(Path("/proc/version"))).outcome is Outcome.CHANGED
    assert desk.versions("incoming/version") == []


def test_a_file_that_is_another_by_then_is_refused(desk: Desk) -> None:
    path = desk.file(10)
    planned = plan_upload(desk.cloud.deployment, [path], S3Location(RAW, "incoming/")).files
    path.unlink()
    for make, outcome in (
        (lambda: None, Outcome.FAILED),
        (lambda: os.mkfifo(path), Outcome.CHANGED),
        (lambda: (path.unlink(), path.write_bytes(b"longer than before")), Outcome.CHANGED),
    ):
        make()
        uploaded = upload_files(desk.s3, desk.cloud.deployment, planned, UploadStates(desk.states))
        assert only(uploaded).outcome is outcome


def test_a_bucket_without_versions_is_an_error(desk: Desk) -> None:
    desk.s3.put_bucket_versioning(Bucket=RAW, VersioningConfiguration={"Status": "Suspended"})
    moto.s3.models.s3_backends[desk.cloud.deployment.account_id]["aws"].buckets[RAW].versioning_status = None
    uploaded = only(desk.upload(desk.file(10)))
    assert uploaded.outcome is Outcome.FAILED
    assert "Versioning is not enabled" in uploaded.detail


# going on


def _interrupted(desk: Desk, path: Path) -> None:
    """Have an upload end after its second part."""

    def crash(operation: str, query: dict[str, Any]) -> None:
        if operation == "UploadPart" and query["partNumber"] == 3:
            raise Crash

    with pytest.raises(Crash), asked(desk.s3, crash):
        desk.upload(path)
    assert desk.unfinished() == 1
    assert desk.remembered() == 1


def test_a_file_that_changed_since_is_sent_anew(desk: Desk) -> None:
    path = desk.file()
    _interrupted(desk, path)
    _rewrite(path)
    with asked(desk.s3) as operations:
        uploaded = only(desk.upload(path))
    assert uploaded.parts_sent == uploaded.parts == 4
    assert operations[:2] == ["AbortMultipartUpload", "CreateMultipartUpload"]
    assert desk.versions() == [path.read_bytes()]
    assert desk.unfinished() == 0


def test_an_upload_that_is_gone_begins_anew(desk: Desk) -> None:
    path = desk.file()
    _interrupted(desk, path)
    [gone] = desk.s3.list_multipart_uploads(Bucket=RAW)["Uploads"]
    desk.s3.abort_multipart_upload(Bucket=RAW, Key=gone["Key"], UploadId=gone["UploadId"])
    with asked(desk.s3) as operations:
        assert only(desk.upload(path)).parts_sent == 4
    assert operations[:2] == ["ListParts", "CreateMultipartUpload"]
    assert desk.versions() == [path.read_bytes()]


def test_a_part_that_is_not_the_file_s_is_sent_again(desk: Desk) -> None:
    path = desk.file()
    _interrupted(desk, path)
    [begun] = desk.s3.list_multipart_uploads(Bucket=RAW)["Uploads"]
    desk.s3.upload_part(
        Bucket=RAW,
        Key=begun["Key"],
        UploadId=begun["UploadId"],
        PartNumber=1,
        Body=b"x" * PART,
        ChecksumSHA256=b64encode(sha256(b"x" * PART).digest()).decode(),
    )
    assert only(desk.upload(path)).outcome is Outcome.UPLOADED
    assert desk.versions() == [path.read_bytes()]


@pytest.mark.parametrize("size_bytes", [10, PART + 1])
def test_whatever_step_it_ends_at_the_next_run_brings_it_to_its_end(desk: Desk, size_bytes: int) -> None:
    s3 = desk.s3
    steps = 0
    lost_answers = 0
    while True:
        path = desk.file(size_bytes, f"{steps}.csv")
        key, left = f"incoming/{steps}.csv", iter(range(steps, -1, -1))
        at = []

        def step(name: str, left: Iterator[int] = left, at: list[str] = at) -> None:
            if next(left, 1) == 0:
                at.append(name)
                raise Crash

        def before(model: Any, step: Callable[[str], None] = step, **_: Any) -> None:
            step(f"before {model.name}")

        def after(model: Any, step: Callable[[str], None] = step, **_: Any) -> None:
            step(f"after {model.name}")

        s3.meta.events.register_first("before-call.s3", before)
        s3.meta.events.register_last("after-call.s3", after)
        try:
            done = only(desk.upload(path, on_progress=lambda _, step=step: step("progress")))
        except Crash:
            pass
        else:
            assert done.outcome is Outcome.UPLOADED
            break
        finally:
            s3.meta.events.unregister("before-call.s3", before)
            s3.meta.events.unregister("after-call.s3", after)
        again = only(desk.upload(path))
        # S3 had stored it, but the answer was lost
        lost = at in (["after PutObject"], ["after CompleteMultipartUpload"])
        lost_answers += lost
        known = at == ["progress"] and not desk.unfinished() and again.parts_sent == 0
        assert again.outcome is (Outcome.EXISTS if lost else Outcome.SAME if known else Outcome.UPLOADED)
        assert desk.versions(key) == [path.read_bytes()]
        steps += 1
    assert lost_answers == 1
    assert steps >= 3


def test_an_interrupt_stops_what_is_under_way(desk: Desk) -> None:
    path = desk.file(20 * PART)

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    with asked(desk.s3) as operations, pytest.raises(KeyboardInterrupt):
        desk.upload(path, on_progress=interrupt)
    assert operations.count("UploadPart") < 20
    assert "AbortMultipartUpload" not in operations
    resumed = only(desk.upload(path))
    assert 0 < resumed.parts_sent < 20
    assert desk.versions() == [path.read_bytes()]


def test_a_part_under_way_ends_with_the_upload(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = desk.file(4 * PART)
    ending = threading.Event()

    def hold_third(operation: str, query: dict[str, Any]) -> None:
        if operation == "UploadPart" and query["partNumber"] == 3:
            ending.wait(30)

    def end(futures: Any) -> Any:
        ending.set()
        return wait(futures)

    def interrupt(progress: Progress) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(custody.upload.upload, "wait", end)
    with asked(desk.s3, hold_third), pytest.raises(KeyboardInterrupt):
        desk.upload(path, on_progress=interrupt)
    [begun] = desk.s3.list_multipart_uploads(Bucket=RAW)["Uploads"]
    parts = desk.s3.list_parts(Bucket=RAW, Key=begun["Key"], UploadId=begun["UploadId"])["Parts"]
    assert 3 not in [part["PartNumber"] for part in parts]


def test_what_is_remembered_is_its_owner_s_alone_and_not_for_ever(desk: Desk) -> None:
    path = desk.file()
    _interrupted(desk, path)
    [state] = desk.states.iterdir()
    assert state.stat().st_mode & 0o777 == 0o600
    assert desk.states.stat().st_mode & 0o777 == 0o700
    other = desk.states / "old.json"
    other.write_text("{}")
    os.utime(other, (0, state.stat().st_mtime - KEEP_SECONDS - 60))
    state.write_text('{"identity": {"size_bytes": -1}}')
    assert only(desk.upload(path)).outcome is Outcome.UPLOADED
    assert desk.remembered() == 0


def test_another_run_may_remove_what_is_remembered_meanwhile(desk: Desk) -> None:
    desk.states.mkdir(parents=True)
    (desk.states / "gone.json").symlink_to("nowhere")
    assert only(desk.upload(desk.file(10))).outcome is Outcome.UPLOADED


@pytest.mark.parametrize("size_bytes", [10, PART + 1])
def test_what_cannot_be_remembered_any_more_costs_no_upload(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    """The disk is full, once the run has begun."""
    path = desk.file(size_bytes)

    def fill(operation: str, _: dict[str, Any]) -> None:
        if operation in {"PutObject", "CreateMultipartUpload"}:
            monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with asked(desk.s3, fill):
        uploaded = desk.upload(path)
    assert (only(uploaded).outcome, exit_code(uploaded)) == (Outcome.UPLOADED, 0)
    assert desk.versions() == [path.read_bytes()]


def test_a_place_where_nothing_can_be_kept_is_refused(desk: Desk) -> None:
    path = desk.file(10)
    desk.states.parent.mkdir(parents=True)
    desk.states.write_text("no folder")
    with pytest.raises(UsageError, match="XDG_STATE_HOME"):
        desk.upload(path)
    assert desk.versions() == []


# the receipt


def _upload_and_wait(
    desk: Desk, record: Callable[[ObjectVersion], None], name: str = "big.csv"
) -> UploadedFile:
    """Upload a file, and let the recorder run after the second attempt."""
    desk.reads = True
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 2:
            [entry] = desk.s3.list_object_versions(Bucket=RAW, Prefix=f"incoming/{name}")["Versions"]
            record(ObjectVersion(RAW, entry["Key"], entry["VersionId"]))

    uploaded = only(desk.upload(desk.file(10, name), receipt_timeout_seconds=60, sleep=sleep))
    assert looks == [1, 2]
    return uploaded


def test_a_receipt_that_agrees_is_the_proof(desk: Desk) -> None:
    data = desk.file(10).read_bytes()
    uploaded = _upload_and_wait(desk, lambda version: desk.cloud.record(version, data))
    assert uploaded.version is not None
    assert (uploaded.outcome, uploaded.receipt_key) == (Outcome.UPLOADED, uploaded.version.receipt_key)
    assert desk.remembered() == 0


def test_a_receipt_that_says_something_else_is_a_finding(desk: Desk) -> None:
    uploaded = _upload_and_wait(desk, lambda version: desk.cloud.record(version, b"otherother"))
    assert uploaded.outcome is Outcome.DIFFERS
    assert sha256(b"otherother").hexdigest() in uploaded.detail
    assert uploaded.receipt_key is None
    assert exit_code([uploaded]) == 1
    assert desk.remembered() == 1


def test_what_is_no_receipt_of_it_is_a_finding(desk: Desk) -> None:
    provenance = desk.cloud.deployment.buckets["provenance"]
    other = desk.cloud.put("tables/other", bucket="processed")
    desk.cloud.record(other)
    anothers = desk.s3.get_object(Bucket=provenance, Key=other.receipt_key)["Body"].read()
    for name, data, words in (("a", anothers, "is the receipt of s3://"), ("b", b"{}", "payload")):

        def record(version: ObjectVersion, data: bytes = data) -> None:
            desk.s3.put_object(Bucket=provenance, Key=version.receipt_key, Body=data)

        uploaded = _upload_and_wait(desk, record, name)
        assert uploaded.outcome is Outcome.DIFFERS
        assert words in uploaded.detail


def test_a_receipt_that_does_not_come_is_said_with_what_may_be_why(desk: Desk) -> None:
    paths = [desk.file(10, f"{n}.csv") for n in range(3)]
    with asked(desk.s3) as operations:
        absent = desk.upload(*paths, receipt_timeout_seconds=40)
    assert {each.outcome for each in absent} == {Outcome.UNRECORDED}
    assert "No receipt within 40 s. There is no receipt." in absent[0].detail
    assert exit_code(absent) == 3
    assert [round(pause) for pause in desk.pauses] == [1, 2, 4, 8, 15, 9]
    # one attempt for each of the others
    assert operations.count("GetObject") == len(desk.pauses) + 1 + 2

    with refused(desk.s3, "GetObject", 403, "AccessDenied"):
        [denied, *_] = desk.upload(*paths, receipt_timeout_seconds=0)
    assert "not there yet, or you may not read it" in denied.detail
    with refused(desk.s3, "GetObject", 400, "ExpiredToken"):
        [expired, *_] = desk.upload(*paths, receipt_timeout_seconds=0)
    assert (expired.outcome, expired.parts_sent) == (Outcome.UNRECORDED, 0)
    assert "ExpiredToken" in expired.detail
    for each in absent:
        assert each.version is not None
        desk.cloud.record(each.version, (desk.folder / each.file.path.name).read_bytes())
    assert exit_code(desk.upload(*paths, receipt_timeout_seconds=0)) == 0
    assert desk.remembered() == 0
