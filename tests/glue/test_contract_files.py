from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from scripts.docs import contracts


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["contracts", *words])
    return contracts.main()


def test_what_is_committed_is_what_the_contracts_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "--check") == 0


def test_what_is_stale_or_absent_is_named_and_mended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = []
    for example in contracts.examples():
        folders.append(str(shutil.copytree(example, tmp_path / example.name)))
    stale, absent = (tmp_path / name / contracts.PAGE for name in ("streaming", "sensors"))
    stale.write_text(stale.read_text().replace("| `email` | string |", "| `email` | text |"))
    absent.unlink()
    assert run(monkeypatch, "--check", *folders) == 1
    said = capsys.readouterr().err
    assert f"{stale} is not what its contract says" in said
    assert f"{absent} is not what its contract says" in said
    assert run(monkeypatch, *folders) == 0
    assert run(monkeypatch, "--check", *folders) == 0
    assert "| `email` | string |" in stale.read_text()


def test_what_is_no_data_set_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(tmp_path)) == 2
    assert "is no data set: it has no silver/<table>.yaml" in capsys.readouterr().err
