"""Reports of *Compute checksum* stand in for reading; by whose word is said."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.s3.models import s3_backends

from custody.errors import CannotCheckError, UsageError
from custody.evidence.objects import ObjectVersion
from custody.findings import Claim, Finding, Status
from custody.times import format_time
from custody.verify import checksum_report
from custody.verify import log as verify_log
from custody.verify.checksum_report import _open_regular, open_report, parse_result
from custody.verify.index import ReportedObject, StoredReceipt
from custody.verify.reading import CheckReceipts
from custody.verify.receipt import CheckedReceipt
from custody.verify.report import VerificationReport
from custody.verify.verify import verify
from tests.support.checksums import CREATED, JOB, SCHEMA, csv_row, manifest_of, result_of, write_report
from tests.support.digests import Keys
from tests.support.evidence import ACCOUNT, World, refused, worlds
from tests.support.evidence import given as s3_gives
from tests.support.sealed import SealedWorld, later

VERSION = ObjectVersion("raw", "incoming/a+b c%.csv", "v1")
SHA256 = hashlib.sha256(b"x").hexdigest()
WORD = f"S3 Batch Operations, job {JOB}"


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture
def sealed(new_world: Callable[[], World]) -> SealedWorld:
    return SealedWorld(new_world())


@pytest.fixture(params=["receipts", "bundles"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Receipts are read from their own objects, or from the log's bundles."""
    if request.param == "bundles":
        monkeypatch.setattr(verify_log, "FEW_RECEIPTS", 0)
    return str(request.param)


def digests(place: Path | str, s3: Any = None) -> list[tuple[ObjectVersion, str]]:
    return list(open_report(str(place), s3).digests())


# The format


def test_the_users_guides_own_rows() -> None:
    """The row of its example has another algorithm, and no version."""
    message = (
        r'{"checksum_base64":"bS9TOQ\u003d\u003d","etag":"3c3c1813042989094598e4b57ecbdc82",'
        '"checksumAlgorithm":"CRC32","checksumType":"FULL_OBJECT","checksum_hex":"6D2F5339"}'
    )
    assert parse_result(message) is None
    assert parse_result(json.dumps(result_of(SHA256))) == SHA256


def test_the_users_guides_own_files(tmp_path: Path) -> None:
    quoted = (
        r'{""checksum_base64"":""bS9TOQ\u003d\u003d"",""etag"":""3c3c1813042989094598e4b57ecbdc82"",'
        r'""checksumAlgorithm"":""CRC32"",""checksumType"":""FULL_OBJECT"",""checksum_hex"":""6D2F5339""}'
    )
    crc32 = f'amzn-s3-demo-bucket1,s3-standard-1mb-test-object,V,succeeded,200,,"{quoted}"\n'
    unversioned = f'amzn-s3-demo-bucket1,s3-standard-1mb-test-object,,succeeded,200,,"{quoted}"\n'
    failed = (
        'amzn-s3-demo-bucket1,image_14975,,failed,200,PermanentFailure,"error details: '
        '{""failureMessage"":""Task 2845ca0d-38d9-4c4b-abcf-379dc749c452 Key not found"", '
        '""errorCode"": ""404""}"\n'
    )
    folder = write_report(tmp_path, crc32, unversioned, failed, csv_row(VERSION, SHA256))
    report = open_report(str(folder), None)  # type: ignore[arg-type]
    assert list(report.digests()) == [(VERSION, SHA256)]
    assert (report.job, format_time(report.created_at)) == (JOB, CREATED)
    assert report.unused == {
        "their checksum is no SHA256 of the FULL_OBJECT": 1,
        "they name no version": 1,
        "their task did not succeed": 1,
    }


KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
HASHES = st.binary(min_size=32, max_size=32).map(bytes.hex)
ROWS = st.lists(st.tuples(KEYS, st.text("abcXYZ019._-", min_size=5, max_size=32), HASHES), max_size=20)


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, header=st.booleans(), bom=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    header: bool,
    bom: bool,
    end: str,
) -> None:
    written = [(ObjectVersion("raw", key, version_id), sha256) for key, version_id, sha256 in rows]
    lines = ["\ufeff"] * bom + [SCHEMA + end] * header
    lines += [csv_row(*each).replace("\n", end) for each in written]
    folder = write_report(tmp_path_factory.mktemp("report"), *lines)
    assert digests(folder) == [each for each in written if each[0].version_id != "null"]


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300), where=st.integers(0, 1000), length=st.integers(0, 300))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, where: int, length: int
) -> None:
    """As the whole file, and put into a right one."""
    right = (csv_row(VERSION, SHA256) * 3).encode()
    folder = write_report(tmp_path_factory.mktemp("report"))
    for content in (data, right[: where % len(right)] + data + right[where % len(right) + length :]):
        (folder / "results" / "a.csv").write_bytes(content)
        (folder / "manifest.json").write_text(json.dumps(manifest_of([("a.csv", content)])))
        with suppress(UsageError):
            assert all(sha256 == SHA256 for _, sha256 in digests(folder))


REFUSED = {
    "no JSON": (b"{", "is not strict JSON"),
    "another format": ({"Format": "Report_CSV_2030"}, "The manifest's Format is 'Report_CSV_2030'"),
    "no time": ({"ReportCreationDate": "today"}, "ReportCreationDate"),
    "no version in the schema": (
        {"ReportSchema": "Bucket, Key, TaskStatus, ResultMessage"},
        "VersionId once",
    ),
    "a column twice": ({"ReportSchema": f"{SCHEMA}, Key"}, "does not have Key once"),
    "no results": ({"Results": []}, "no file of succeeded tasks"),
    "no list": ({"Results": {}}, "Results is not a list"),
    "no job": (
        {"Results": [{"Bucket": "b", "Key": "results/a.csv", "MD5Checksum": "0" * 32}]},
        "no file of a job",
    ),
    "no MD5": (
        {"Results": [{"Bucket": "b", "Key": f"job-{JOB}/results/a.csv", "MD5Checksum": "AAAA"}]},
        "is no MD5",
    ),
}


@pytest.mark.parametrize("changes", REFUSED)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, changes: str) -> None:
    changed, words = REFUSED[changes]
    folder = write_report(tmp_path, csv_row(VERSION, SHA256))
    if isinstance(changed, bytes):
        (folder / "manifest.json").write_bytes(changed)
    else:
        write_report(tmp_path, csv_row(VERSION, SHA256), **changed)
    with pytest.raises(UsageError, match=words) as raised:
        digests(folder)
    assert raised.value.exit_code == 2


def test_the_files_are_of_one_job(tmp_path: Path) -> None:
    data = csv_row(VERSION, SHA256).encode()
    results = manifest_of([("6217b0fa.csv", data), ("b.csv", data)])["Results"]
    results[1]["Key"] = "job-00000000/results/b.csv"
    with pytest.raises(UsageError, match="files of several jobs"):
        digests(write_report(tmp_path, csv_row(VERSION, SHA256), Results=results))


def test_files_of_failed_tasks_are_not_read(tmp_path: Path) -> None:
    results = manifest_of([("6217b0fa.csv", csv_row(VERSION, SHA256).encode()), ("gone.csv", b"")])["Results"]
    results[1]["TaskExecutionStatus"] = "failed"
    assert digests(write_report(tmp_path, csv_row(VERSION, SHA256), Results=results)) == [(VERSION, SHA256)]


LONG = checksum_report.MAX_ROW_CHARACTERS
WRONG_ROWS = {
    "a version that is a part of a key": (
        csv_row(replace(VERSION, version_id="a/b"), SHA256),
        "has no id of a version in line 1",
    ),
    "columns": ("raw,a,v1,succeeded\n", "has 4 columns in line 1, not 7"),
    "another operation": (
        csv_row(VERSION, "", message="Successful"),
        "no result of Compute checksum in line 1",
    ),
    "a name twice": (csv_row(VERSION, "", message='{"checksumType":"a","checksumType":"b"}'), "used twice"),
    "no hexadecimal": (csv_row(VERSION, SHA256, checksum_hex="zz"), "checksum_hex is not a SHA-256"),
    "two checksums": (csv_row(VERSION, SHA256, checksum_base64="AAAA"), "is not its checksum_hex"),
    "a key in Latin-1": (
        csv_row(VERSION, SHA256).replace("incoming", "%FF"),
        "no result of Compute checksum",
    ),
    "an open quote": ('raw,a,v1,succeeded,200,,"{', "is no CSV in line 1"),
    "a quote within": ('raw,"a"b,v1,succeeded,200,,x\n', "is no CSV in line 1"),
    "a long row": ("raw," + "a" * LONG + "\n", "a row of more than"),
    "a row without end": ('"a","\n' + '","\n' * LONG, "a row of more than"),
}


class Broken(io.BytesIO):
    """A file on a disk that fails."""

    def read(self, size: int | None = -1) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    report = open_report(str(write_report(tmp_path, csv_row(VERSION, SHA256))), None)  # type: ignore[arg-type]
    report.open_file = lambda bucket, key: Broken()
    with pytest.raises(CannotCheckError, match=r"^6217b0fa\.csv of .* cannot be read: Input/output error\.$"):
        list(report.digests())
    with pytest.raises(UsageError, match="cannot be read: File name too long"):
        _open_regular(tmp_path / ("a" * 300))
    with pytest.raises(UsageError, match="is empty"):
        digests("")


@pytest.mark.parametrize("which", WRONG_ROWS)
def test_rows_that_are_none_are_refused(tmp_path: Path, which: str) -> None:
    row, words = WRONG_ROWS[which]
    folder = write_report(tmp_path, row)
    with pytest.raises(UsageError, match=words) as raised:
        digests(folder)
    assert "6217b0fa.csv" in raised.value.message


def test_a_file_that_is_not_the_manifests_is_refused(tmp_path: Path) -> None:
    folder = write_report(tmp_path, csv_row(VERSION, SHA256))
    file = folder / "results" / "6217b0fa.csv"
    file.write_bytes(file.read_bytes().replace(b"v1", b"v2"))
    with pytest.raises(UsageError, match="its MD5 is another"):
        digests(folder)
    file.unlink()
    with pytest.raises(UsageError, match=r"6217b0fa\.csv cannot be read: No such file"):
        digests(folder)
    os.mkfifo(file)
    with pytest.raises(UsageError, match="is no regular file"):
        digests(folder)
    (folder / "6217b0fa.csv").write_text(csv_row(VERSION, SHA256))
    file.unlink()
    assert digests(folder / "manifest.json") == [(VERSION, SHA256)], "files in one folder are as good"
    with pytest.raises(UsageError, match=r"nowhere/manifest\.json cannot be read: No such file"):
        digests(tmp_path / "nowhere")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    folder, data = write_report(tmp_path), b"raw,\xff,v1"
    (folder / "results" / "6217b0fa.csv").write_bytes(data)
    (folder / "manifest.json").write_text(json.dumps(manifest_of([("6217b0fa.csv", data)])))
    with pytest.raises(UsageError, match="is not UTF-8 after line 0"):
        digests(folder)


# In Amazon S3


def put_report(world: World, *rows: str, **changes: Any) -> str:
    data = "".join(rows).encode()
    world.s3.create_bucket(Bucket="reports")
    document = manifest_of([("a.csv", data)], **changes)
    world.s3.put_object(Bucket="reports", Key=document["Results"][0]["Key"], Body=data)
    world.s3.put_object(
        Bucket="reports", Key=f"checksums/job-{JOB}/manifest.json", Body=json.dumps(document).encode()
    )
    return f"s3://reports/checksums/job-{JOB}"


def test_a_report_is_read_where_it_lies(new_world: Callable[[], World]) -> None:
    world = new_world()
    place = put_report(world, csv_row(VERSION, SHA256))
    assert digests(place, world.s3) == digests(f"{place}/manifest.json", world.s3) == [(VERSION, SHA256)]
    with pytest.raises(UsageError, match="names a version"):
        digests(f"{place}/?versionId=1", world.s3)
    with pytest.raises(UsageError, match="There is no s3://reports/elsewhere/"):
        digests("s3://reports/elsewhere/", world.s3)
    with (
        refused(world.s3, "GetObject", 403, "AccessDenied", key="a.csv"),
        pytest.raises(CannotCheckError, match=r"a\.csv"),
    ):
        digests(place, world.s3)
    row = csv_row(VERSION, SHA256).encode()
    with (
        s3_gives(world.s3, row[:-9], len(row), "v", key="a.csv"),
        pytest.raises(CannotCheckError, match="bytes expected"),
    ):
        digests(place, world.s3)


# Verification


def stored(world: World, version: ObjectVersion) -> bytes:
    """The bytes that are in storage, which is what AWS hashes."""
    kept = s3_backends[ACCOUNT]["aws"].buckets[version.bucket].keys.getlist(version.key)
    (found,) = [entry for entry in kept if entry.version_id == version.version_id]
    return bytes(found.value)


def rows_of(world: World, *versions: ObjectVersion) -> list[str]:
    return [csv_row(each, hashlib.sha256(stored(world, each)).hexdigest()) for each in versions]


def check(sealed: SealedWorld, place: Path | None = None, **options: Any) -> VerificationReport:
    checksums = None if place is None else open_report(str(place), sealed.s3)
    defaults = {"workers": 4, "digest_keys": Keys(), "checksums": checksums, "seed": "s"}
    return verify(sealed.s3, sealed.world.deployment, now=later(), **defaults | options)


def said(report: VerificationReport) -> set[tuple[Claim, Status, str]]:
    return {(finding.claim, finding.status, finding.subject) for finding in report.findings}


def counted(report: VerificationReport) -> Any:
    return report.claims, report.receipts, report.unchecked, report.deletion_counts


def read_of(s3: Any, bucket: str) -> list[str]:
    """The keys of a bucket that are read from now on."""
    keys: list[str] = []
    s3.meta.events.register(
        "before-parameter-build.s3.GetObject",
        lambda params, **_: params["Bucket"] == bucket and keys.append(params["Key"]),
    )
    return keys


def test_what_is_in_the_report_is_not_read(sealed: SealedWorld, way: str, tmp_path: Path) -> None:
    world, versions = sealed.world, sealed.drop(4)
    versions.append(world.drop('incoming/größe 1+1=100% "x".csv', b"y"))
    sealed.seal(versions[:3])
    full, read = check(sealed), read_of(world.s3, world.raw)
    assert not any(finding.claim is Claim.OBJECT_HASH for finding in full.findings)
    read.clear()

    report = check(sealed, write_report(tmp_path, *rows_of(world, *versions)))
    assert (read, report.findings, report.notes) == ([], full.findings, full.notes)
    assert counted(report) == counted(full)
    assert (report.receipts_read, report.to_dict()["reported"]) == (
        0,
        {
            "job": JOB,
            "report": str(tmp_path / f"job-{JOB}" / "manifest.json"),
            "created_at": CREATED,
            "objects": 5,
        },
    )

    report = check(sealed, write_report(tmp_path, *rows_of(world, *versions[1:4])))
    assert sorted(read) == sorted(each.key for each in (versions[0], versions[4]))
    assert counted(report) == counted(full)
    assert (report.receipts_read, report.reported and report.reported.objects) == (2, 3)


TAMPERED = st.lists(
    st.sampled_from(["as it was", "bit", "longer", "emptied", "deleted"]), min_size=6, max_size=6
)


@settings(max_examples=6, deadline=None)
@given(
    fates=TAMPERED,
    in_report=st.lists(st.booleans(), min_size=6, max_size=6),
    share=st.sampled_from([1.0, 0.5]),
)
def test_full_sample_and_report_agree(
    new_world: Callable[[], World],
    tmp_path_factory: pytest.TempPathFactory,
    fates: list[str],
    in_report: list[bool],
    share: float,
) -> None:
    """The same subjects fail the same claims, whoever has hashed their bytes."""
    sealed = SealedWorld(new_world())
    versions = sealed.drop(6)
    sealed.seal(versions[:3])
    for version, fate in zip(versions, fates, strict=True):
        data = stored(sealed.world, version)
        if fate == "bit":
            sealed.world.tamper(version, bytes([data[0] ^ 1]) + data[1:])
        elif fate != "as it was":
            sealed.world.tamper(version, data + b"x" if fate == "longer" else b"")
    reported = [version for version, is_in in zip(versions, in_report, strict=True) if is_in]
    rows = rows_of(sealed.world, *reported)
    for version, fate in zip(versions, fates, strict=True):
        if fate == "deleted":
            sealed.s3.delete_object(Bucket=version.bucket, Key=version.key, VersionId=version.version_id)
    folder = write_report(tmp_path_factory.mktemp("report"), *rows)

    read, by_report = check(sealed, sample=share), check(sealed, folder, sample=share)
    assert said(by_report) == said(read)
    assert counted(by_report) == counted(read)
    if share == 1:
        assert {subject for claim, _, subject in said(read) if claim is Claim.OBJECT_HASH} == {
            version.uri for version, fate in zip(versions, fates, strict=True) if fate != "as it was"
        }


def test_a_finding_says_by_whose_word(sealed: SealedWorld, way: str, tmp_path: Path) -> None:
    versions = sealed.drop(3)
    sealed.seal(versions)
    other = hashlib.sha256(b"other").hexdigest()
    rows = [csv_row(versions[0], other), *rows_of(sealed.world, versions[1])]
    sealed.world.tamper(versions[2], b"other")
    by_word, by_reading = (
        finding
        for finding in sorted(
            check(sealed, write_report(tmp_path, *rows)).findings, key=lambda each: each.subject
        )
    )
    assert by_word.to_dict().keys() == by_reading.to_dict().keys()
    assert (by_word.claim, by_word.subject) == (Claim.OBJECT_HASH, versions[0].uri)
    assert by_word.detail.startswith(f"The object is 1 bytes with SHA-256 {other}; its receipt says 1 bytes")
    assert by_word.detail.endswith(f"The SHA-256 is by the word of {WORD}, not read by us.")
    assert "word" not in by_reading.detail


def test_a_report_that_contradicts_itself_is_not_believed(sealed: SealedWorld, tmp_path: Path) -> None:
    versions = sealed.drop(2)
    sealed.seal(versions)
    rows = rows_of(sealed.world, *versions)
    read = read_of(sealed.s3, sealed.world.raw)
    other = csv_row(versions[0], hashlib.sha256(b"other").hexdigest())
    report = check(sealed, write_report(tmp_path, *rows, rows[1], other, rows[0]))
    assert read == [versions[0].key]
    assert report.findings == ()
    (note,) = [note for note in report.notes if "contradicts itself" in note]
    assert versions[0].uri in note
    assert versions[1].uri not in note


def test_rows_that_stand_in_for_nothing_are_counted(sealed: SealedWorld, tmp_path: Path) -> None:
    (version,) = sealed.drop(1)
    sealed.seal([version])
    elsewhere = ObjectVersion("somebody-elses", "a", "v")
    never = replace(version, version_id="another")
    composite = csv_row(version, SHA256, checksumType="COMPOSITE")
    rows = [composite, csv_row(replace(version, version_id=""), SHA256), csv_row(version, SHA256, "failed")]
    report = check(sealed, write_report(tmp_path, *rows, csv_row(elsewhere, SHA256), csv_row(never, SHA256)))
    assert report.findings == ()
    assert (report.receipts_read, report.reported and report.reported.objects) == (1, 0)
    told = [note for note in report.notes if note.startswith("No object is judged by 1 row of the report")]
    assert [why.rpartition(": ")[2] for why in told] == [
        "their bucket is not one of this deployment.",
        "their checksum is no SHA256 of the FULL_OBJECT.",
        "their task did not succeed.",
        "they name no version.",
    ]


def test_results_of_a_report_are_not_those_of_a_reading() -> None:
    """What an interrupted run has kept is of this report, or of a reading; and is read again as it was."""
    moment = later()
    receipt = StoredReceipt(
        "provenance/raw/a/v.json", "v", moment, "s3://raw/a?versionId=v", True, 9, 5, '"e"'
    )
    reported = receipt._replace(reported=ReportedObject(SHA256, 1, moment, WORD))
    job = CheckReceipts("provenance", frozenset({"raw"}), with_objects=True)
    encode = msgspec.msgpack.encode
    assert encode(job.inputs(receipt)) != encode(job.inputs(reported))
    kept = encode((CheckedReceipt(reported), []))
    assert msgspec.msgpack.decode(kept, type=job.result_type())[0].stored == reported


def test_a_report_that_cannot_be_used_ends_the_run_before_anything_is_listed(
    sealed: SealedWorld, tmp_path: Path
) -> None:
    listed: list[str] = []
    sealed.s3.meta.events.register(
        "before-parameter-build.s3.ListObjectVersions", lambda params, **_: listed.append(params["Bucket"])
    )
    with pytest.raises(UsageError, match="has 1 columns"):
        check(sealed, write_report(tmp_path, "x\n"))
    assert sealed.world.raw not in listed


def test_size_etag_and_time_are_still_those_of_the_listing(sealed: SealedWorld, tmp_path: Path) -> None:
    """What the listing says is compared, too: another size than the receipt's is found without reading."""
    (version,) = sealed.drop(1)
    sealed.seal([version])
    rows = [csv_row(version, hashlib.sha256(b"0").hexdigest())]
    sealed.world.tamper(version, b"00")
    read = read_of(sealed.s3, sealed.world.raw)
    findings: tuple[Finding, ...] = check(sealed, write_report(tmp_path, *rows)).findings
    assert read == []
    assert [(finding.claim, "2 bytes" in finding.detail) for finding in findings] == [
        (Claim.OBJECT_HASH, True)
    ]
