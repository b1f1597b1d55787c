"""Evidence of a release is written once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts.release.evidence import main


@pytest.mark.parametrize("name", ["0.1.0.zip", "nowhere/0.2.0.zip"])
def test_an_archive_that_cannot_be_written_is_told_of_before_anything_is_deployed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "0.1.0.zip").write_bytes(b"old")
    monkeypatch.setattr(sys, "argv", ["evidence", str(tmp_path / name)])
    assert main() == 1
    assert "nothing is overwritten" in capsys.readouterr().err
    assert (tmp_path / "0.1.0.zip").read_bytes() == b"old"
