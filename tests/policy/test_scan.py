"""The scan from outside: one tool alone, and wrong use."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.scan.__main__ import main


def test_one_tool_alone_is_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("scripts.scan.__main__.OUTPUT", tmp_path)
    monkeypatch.setattr("sys.argv", ["scan", "zizmor"])
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert "zizmor" in lines[0]
    assert not list(tmp_path.glob("*.*"))


def test_a_tool_that_is_not_there_is_wrong_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["scan", "hope"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "invalid choice: 'hope'" in capsys.readouterr().err
