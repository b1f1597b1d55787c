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
    stale = tmp_path / "data_dictionary.md"
    stale.write_text(contracts.DOCUMENT.read_text().replace("| `email` | string |", "| `email` | text |"))
    shutil.copytree(contracts.CONTRACTS, tmp_path / "quality")
    (tmp_path / "quality" / "customers.dqdl").unlink()
    monkeypatch.setattr(contracts, "DOCUMENT", stale)
    monkeypatch.setattr(contracts, "CONTRACTS", tmp_path / "quality")
    assert run(monkeypatch, "--check") == 1
    said = capsys.readouterr().err
    assert "data_dictionary.md is not what its contract says" in said
    assert "customers.dqdl" in said
    assert "viewing_events.dqdl" not in said
    assert run(monkeypatch) == 0
    assert run(monkeypatch, "--check") == 0
    assert "| `email` | string |" in stale.read_text()
