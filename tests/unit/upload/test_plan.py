from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from custody.errors import UsageError
from custody.evidence.objects import S3Location
from custody.upload.plan import PlannedFile, default_destination, plan_upload
from tests.unit.report.sample import DEPLOYMENT, RAW

INCOMING = S3Location(RAW, "incoming/")


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
    names = ["b/c/d.csv", "b/é\n.csv", "a b+c%.csv", "..a", "empty"]
    for name in names:
        _write(tmp_path / "folder" / name, b"" if name == "empty" else b"a,b\n")
    (tmp_path / "folder" / "void").mkdir()
    planned = plan_upload(DEPLOYMENT, [one, tmp_path / "folder"], INCOMING)
    found = one.stat()
    assert planned[0] == PlannedFile(one, RAW, "incoming/one.csv", 4, found.st_dev, found.st_ino)
    assert {file.key for file in planned[1:]} == {f"incoming/{name}" for name in names}
    assert [file.size_bytes for file in planned if file.key.endswith("empty")] == [0]
    assert planned == plan_upload(DEPLOYMENT, [one, tmp_path / "folder"], INCOMING)


def test_a_destination_may_be_the_key_of_one_file(tmp_path: Path) -> None:
    file = _write(tmp_path / os.fsdecode(b"\xff.csv"))
    assert [planned.key for planned in plan_upload(DEPLOYMENT, [file], S3Location(RAW, "incoming/x"))] == [
        "incoming/x"
    ]
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
    [planned] = plan_upload(DEPLOYMENT, [file], S3Location(RAW, "incoming/" + "k" * 1010 + "/"))
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
        [planned] = plan_upload(DEPLOYMENT, [link], INCOMING)
        assert planned.key == {"file": "incoming/link", "folder": "incoming/a.csv"}[leads_to]


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
