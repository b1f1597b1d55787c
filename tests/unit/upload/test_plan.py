from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from custody.deployment import Source
from custody.errors import UsageError
from custody.evidence.objects import S3Location
from custody.upload.plan import (
    PlannedFile,
    default_destination,
    describe_left_out,
    plan_upload,
    table_destination,
    tables_of_files,
)
from tests.unit.report.sample import DEPLOYMENT, RAW

INCOMING = S3Location(RAW, "incoming/")
WITH_TABLES = replace(
    DEPLOYMENT,
    tables={"devices": [], "readings": [], "site_days": ["devices", "readings"]},
    sources={
        "devices": Source("incoming/devices/", "csv"),
        "readings": Source("incoming/stream/readings/", "jsonl"),
    },
    streams={"readings": "custody-local-readings"},
)


def _write(path: Path, data: bytes = b"a,b\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_the_default_is_the_recorded_prefix_of_raw_data() -> None:
    assert default_destination(DEPLOYMENT) == INCOMING
    for prefixes in ({}, {RAW: ["incoming/", "more/"]}):
        with pytest.raises(UsageError, match="--to"):
            default_destination(replace(DEPLOYMENT, recorded_prefixes=prefixes))


def test_files_keep_their_names_and_those_of_a_folder_their_relative_ones(tmp_path: Path) -> None:
    one = _write(tmp_path / "one.csv")
    names = ["b/c/d.csv", "b/é\n.csv", "a b+c%.csv", "a..", "empty"]
    for name in names:
        _write(tmp_path / "folder" / name, b"" if name == "empty" else b"a,b\n")
    (tmp_path / "folder" / "void").mkdir()
    planned = plan_upload(DEPLOYMENT, [one, tmp_path / "folder"], INCOMING).files
    found = one.stat()
    assert planned[0] == PlannedFile(one, RAW, "incoming/one.csv", 4, found.st_dev, found.st_ino)
    assert {file.key for file in planned[1:]} == {f"incoming/{name}" for name in names}
    assert [file.size_bytes for file in planned if file.key.endswith("empty")] == [0]
    assert planned == plan_upload(DEPLOYMENT, [one, tmp_path / "folder"], INCOMING).files


def test_a_destination_may_be_the_key_of_one_file(tmp_path: Path) -> None:
    file = _write(tmp_path / os.fsdecode(b"\xff.csv"))
    assert [
        planned.key for planned in plan_upload(DEPLOYMENT, [file], S3Location(RAW, "incoming/x")).files
    ] == ["incoming/x"]
    with pytest.raises(UsageError, match="not UTF-8"):
        plan_upload(DEPLOYMENT, [file], INCOMING)
    with pytest.raises(UsageError, match="not UTF-8"):
        plan_upload(DEPLOYMENT, [file], S3Location(RAW, "incoming/\udcff"))
    for paths in ([file, file], [tmp_path]):
        with pytest.raises(UsageError, match="End it with /"):
            plan_upload(DEPLOYMENT, paths, S3Location(RAW, "incoming/x"))


@pytest.mark.parametrize(
    ("destination", "words"),
    [
        (S3Location(RAW, "elsewhere/"), "untracked"),
        (S3Location(RAW, ""), "untracked"),
        (S3Location("another-bucket", "incoming/"), "untracked"),
        (S3Location(DEPLOYMENT.buckets["provenance"], "provenance/"), "untracked"),
        (S3Location(RAW, "incoming/../"), r"segment \. or \.\."),
        (S3Location(RAW, "incoming/", "v1"), "version id"),
        (S3Location(RAW, "incoming/" + "k" * 1011 + "/"), "1,025 bytes"),
    ],
)
def test_a_place_where_no_receipt_can_be_is_refused(
    tmp_path: Path, destination: S3Location, words: str
) -> None:
    file = _write(tmp_path / "f.cs")
    with pytest.raises(UsageError, match=words):
        plan_upload(DEPLOYMENT, [file], destination)


def test_the_longest_key_is_taken(tmp_path: Path) -> None:
    file = _write(tmp_path / "f.cs")
    [planned] = plan_upload(DEPLOYMENT, [file], S3Location(RAW, "incoming/" + "k" * 1010 + "/")).files
    assert len(planned.key) == 1024


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(UsageError, match="no files"):
        plan_upload(DEPLOYMENT, [folder], INCOMING)
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        plan_upload(DEPLOYMENT, [tmp_path / "none"], INCOMING)
    os.mkfifo(folder / "pipe")
    for path in (folder, folder / "pipe"):
        with pytest.raises(UsageError, match="is not a regular file"):
            plan_upload(DEPLOYMENT, [path], INCOMING)
    with pytest.raises(UsageError, match="is not a regular file"):
        plan_upload(DEPLOYMENT, [Path("/dev/null")], INCOMING)


@pytest.mark.parametrize("leads_to", ["file", "folder", "nowhere"])
def test_a_link_is_followed_where_it_is_named_and_refused_within_a_folder(
    tmp_path: Path, leads_to: str
) -> None:
    _write(tmp_path / "file")
    _write(tmp_path / "folder" / "a.csv")
    link = tmp_path / "walked" / "link"
    _write(tmp_path / "walked" / "plain.csv")
    link.symlink_to(tmp_path / leads_to)
    with pytest.raises(UsageError, match="symbolic link"):
        plan_upload(DEPLOYMENT, [tmp_path / "walked"], INCOMING)
    if leads_to != "nowhere":
        [planned] = plan_upload(DEPLOYMENT, [link], INCOMING).files
        assert planned.key == {"file": "incoming/link", "folder": "incoming/a.csv"}[leads_to]


def test_a_folder_that_is_deeper_than_a_key_is_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Python's walk through it ends at the limit of recursion."""
    monkeypatch.setattr("custody.upload.plan.MAX_KEY_BYTES", 20)
    (tmp_path / "/".join("d" * 10)).mkdir(parents=True)
    with pytest.raises(UsageError, match="no files in"):
        plan_upload(DEPLOYMENT, [tmp_path], INCOMING)
    (tmp_path / "/".join("d" * 11)).mkdir()
    with pytest.raises(UsageError, match="too deep"):
        plan_upload(DEPLOYMENT, [tmp_path], INCOMING)


def test_two_files_of_one_key_are_refused(tmp_path: Path) -> None:
    paths = [_write(tmp_path / folder / "a.csv") for folder in "xy"]
    with pytest.raises(UsageError, match="would both become"):
        plan_upload(DEPLOYMENT, paths, INCOMING)


def test_a_file_no_object_can_hold_is_refused(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(5 * 1024**4)
    assert plan_upload(DEPLOYMENT, [huge], INCOMING)
    with huge.open("wb") as file:
        file.truncate(5 * 1024**4 + 1)
    with pytest.raises(UsageError, match="5 TiB"):
        plan_upload(DEPLOYMENT, [huge], INCOMING)


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "folder" / "a.csv")

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read every folder
    with pytest.raises(UsageError, match="Permission denied"):
        plan_upload(DEPLOYMENT, [tmp_path], INCOMING)


def test_a_table_has_its_destination() -> None:
    assert table_destination(WITH_TABLES, "devices") == S3Location(RAW, "incoming/devices/")


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("device", r"no table device\. The tables that take files: devices\."),
        ("readings", "through the stream custody-local-readings"),
        ("site_days", "made from devices, readings"),
        ("", "no table"),
    ],
)
def test_a_table_that_takes_no_files_is_refused(table: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        table_destination(WITH_TABLES, table)


def test_of_many_tables_some_are_named() -> None:
    sources = {f"t{number:02}": Source(f"incoming/t{number:02}/", "csv") for number in range(12)}
    assert tables_of_files(replace(DEPLOYMENT, sources=sources)).endswith("t08, t09, and 2 others")
    assert tables_of_files(DEPLOYMENT) == "none"


@pytest.mark.parametrize(
    ("key", "table"),
    [
        ("incoming/devices/a.csv", "devices"),
        ("incoming/devices/2026/a.csv", "devices"),
        ("incoming/stream/readings/a", "readings"),
        ("incoming/devices", None),
        ("incoming/devices2/a.csv", None),
        ("incoming/Devices/a.csv", None),
        ("incoming/a.csv", None),
    ],
)
def test_a_file_knows_the_table_that_reads_it(tmp_path: Path, key: str, table: str | None) -> None:
    file = _write(tmp_path / "a.csv")
    [planned] = plan_upload(WITH_TABLES, [file], S3Location(RAW, key)).files
    assert planned.table == table


def test_no_table_reads_another_bucket(tmp_path: Path) -> None:
    processed = S3Location(DEPLOYMENT.buckets["processed"], "incoming/devices/")
    [planned] = plan_upload(WITH_TABLES, [_write(tmp_path / "a.csv")], processed).files
    assert planned.table is None


DATA = ["a.csv", "#1.csv", "~a.csv", "a~b", "b/swp", "thumbs.csv", "a#"]
LEFTOVERS = [
    ".DS_Store",
    "._a.csv",
    ".a.csv.swp",
    "#a.csv#",
    "Thumbs.db",
    "a.csv~",
    "b/DESKTOP.INI",
    "~$a.xlsx",
]


def test_hidden_files_and_leftovers_stay_unless_they_are_asked_for(tmp_path: Path) -> None:
    for name in [*DATA, *LEFTOVERS, ".git/config", "__MACOSX/a.csv"]:
        _write(tmp_path / name)
    (tmp_path / ".link").symlink_to("nowhere")
    plan = plan_upload(DEPLOYMENT, [tmp_path], INCOMING)
    assert {file.key for file in plan.files} == {f"incoming/{name}" for name in DATA}
    assert set(plan.left_out) == {str(tmp_path / name) for name in [*LEFTOVERS, ".link"]} | {
        f"{tmp_path / name}/" for name in (".git", "__MACOSX")
    }
    (tmp_path / ".link").unlink()
    plan = plan_upload(DEPLOYMENT, [tmp_path], INCOMING, everything=True)
    assert len(plan.files) == len([*DATA, *LEFTOVERS]) + 2
    assert plan.left_out == []


def test_a_leftover_that_a_shell_named_stays_too_and_a_folder_that_is_named_is_walked(tmp_path: Path) -> None:
    paths = [_write(tmp_path / name) for name in ("a.csv", "Thumbs.db")]
    plan = plan_upload(DEPLOYMENT, paths, INCOMING)
    assert ([file.path for file in plan.files], plan.left_out) == (paths[:1], [str(paths[1])])
    _write(tmp_path / ".hidden" / "b.csv")
    [file] = plan_upload(DEPLOYMENT, [tmp_path / ".hidden"], INCOMING).files
    assert file.key == "incoming/b.csv"


def test_where_nothing_but_leftovers_is_all_must_be_asked_for(tmp_path: Path) -> None:
    _write(tmp_path / "full" / ".DS_Store")
    with pytest.raises(UsageError, match=r"nothing to upload but 1 hidden .*\.DS_Store.*--all"):
        plan_upload(DEPLOYMENT, [tmp_path / "full"], INCOMING)
    (tmp_path / "void").mkdir()
    with pytest.raises(UsageError, match=r"no files in .*void"):
        plan_upload(DEPLOYMENT, [tmp_path / "full", tmp_path / "void"], INCOMING)


def test_of_much_that_is_left_out_the_first_are_named() -> None:
    words = describe_left_out([f"/{'x' * 200}/.{number}" for number in range(1200)])
    assert words.startswith("1,200 hidden or left behind by a program (/xxx")
    assert words.endswith(", …)")
    assert len(words) < 1000


def test_nothing_is_uploaded_to_an_adopted_bucket(tmp_path: Path) -> None:
    deployment = replace(
        DEPLOYMENT,
        recorded_prefixes={**DEPLOYMENT.recorded_prefixes, "archive": [""]},
        adopted_since={"archive": datetime(2026, 1, 15, tzinfo=UTC)},
    )
    with pytest.raises(UsageError, match=r"archive is an adopted bucket.* Upload below s3://") as refused:
        plan_upload(deployment, [_write(tmp_path / "a.csv")], S3Location("archive", "letters/"))
    assert "s3://archive" not in str(refused.value)
