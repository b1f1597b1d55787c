from __future__ import annotations

import io
import os
from pathlib import Path
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.upload.file import FileChangedError, FilePart, NotSentError, OpenFile
from custody.upload.plan import PlannedFile

DATA = bytes(range(100))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def planned(path: Path) -> PlannedFile:
    found = path.lstat()
    return PlannedFile(path, "raw", "incoming/file", found.st_size, found.st_dev, found.st_ino)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    bounds=st.tuples(st.integers(0, 100), st.integers(0, 100)).map(sorted),
    steps=st.lists(
        st.tuples(st.sampled_from(["read", "seek", "tell"]), st.integers(-1, 50), st.integers(0, 2))
    ),
)
def test_a_part_is_a_file_of_its_bytes(
    path: Path, bounds: list[int], steps: list[tuple[str, int, int]]
) -> None:
    begin, end = bounds
    expected = io.BytesIO(DATA[begin:end])
    with OpenFile(planned(path)) as opened:
        part = FilePart(opened, begin, end - begin, Event())
        assert len(part) == end - begin
        for step, number, whence in steps:
            if step == "read":
                assert part.read(number) == expected.read(number)
            elif step == "tell":
                assert part.tell() == expected.tell()
            elif whence == os.SEEK_SET:
                assert part.seek(max(number, 0)) == expected.seek(max(number, 0))
            else:
                assert part.seek(0, whence) == expected.seek(0, whence)
        assert part.read() == expected.read()


def test_a_part_that_must_not_be_sent_ends_the_request(path: Path) -> None:
    stop = Event()
    with OpenFile(planned(path)) as opened:
        part = FilePart(opened, 0, 100, stop)
        assert part.read(10) == DATA[:10]
        stop.set()
        with pytest.raises(NotSentError):
            part.read(10)
    assert not issubclass(NotSentError, Exception)  # or botocore would send it again


def test_a_part_that_is_not_there_any_more_ends_the_request(path: Path) -> None:
    with OpenFile(planned(path)) as opened:
        part = FilePart(opened, 0, 100, Event())
        os.truncate(path, 50)
        assert part.read() == DATA[:50]
        with pytest.raises(NotSentError):
            part.read()


def test_only_a_regular_file_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/null")):
        with pytest.raises(FileChangedError):
            OpenFile(planned(path))


@pytest.mark.parametrize("swapped", ["file", "folder"])
def test_no_link_is_followed_that_took_the_place_of_what_was_planned(tmp_path: Path, swapped: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder" / "file").write_bytes(DATA)
    (tmp_path / "elsewhere" / "file").write_bytes(b"a secret")
    file = planned(tmp_path / "folder" / "file")
    if swapped == "file":
        file.path.unlink()
        file.path.symlink_to(tmp_path / "elsewhere" / "file")
    else:
        (tmp_path / "folder").rename(tmp_path / "moved")
        (tmp_path / "folder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileChangedError):
        OpenFile(file)


def test_a_file_that_became_a_link_to_itself_has_changed(tmp_path: Path, path: Path) -> None:
    with OpenFile(planned(path)) as opened:
        path.rename(tmp_path / "moved")
        path.symlink_to(tmp_path / "moved")
        with pytest.raises(FileChangedError):
            opened.require_unchanged()
