"""A note says what was found, whatever that is, and changes no other note."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from custody.doctor.doctor import Check, State
from custody.doctor.note import format_note, write_note
from custody.errors import UsageError
from tests.unit.report.sample import DEPLOYMENT

NOW = datetime(2026, 11, 30, 10, tzinfo=UTC)
HEALTHY = Check("recorder", State.OK, "It ran.")
BROKEN = Check("dead letters", State.BROKEN, "3 messages wait.", "Read them.")
EXAMPLE = Path(__file__).parents[3] / "docs" / "errors-notes" / "README.md"


def test_what_is_well_is_left_out() -> None:
    text = format_note([HEALTHY, BROKEN], DEPLOYMENT, NOW)
    assert text.startswith("# 2026-11-30: dead letters\n")
    assert "recorder" not in text
    assert "## dead letters: broken\n\n    3 messages wait.\n\n    Read them.\n" in text


def test_what_comes_from_outside_ends_no_block_and_reaches_no_terminal() -> None:
    hostile = Check("log", State.UNKNOWN, "a\n# b\x1b[31m\u202e", "c\r\n\n<script>")
    deployment = replace(DEPLOYMENT, kit_version="1`<script>", region="<script>", account_id="[x](y:z)")
    for line in format_note([hostile], deployment, NOW).splitlines():
        assert line.isprintable()
        assert not line.startswith("# b")
        assert line.startswith("    ") or not {"<script>", "[x]"} & set(re.findall(r"<script>|\[x\]", line))


def test_no_note_is_overwritten(tmp_path: Path) -> None:
    names = [write_note(tmp_path, [BROKEN], DEPLOYMENT, NOW).name for _ in range(3)]
    assert names == [
        "2026-11-30-dead-letters.md",
        "2026-11-30-dead-letters-2.md",
        "2026-11-30-dead-letters-3.md",
    ]
    assert write_note(tmp_path, [HEALTHY], DEPLOYMENT, NOW).name == "2026-11-30-note.md"


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="The note cannot be written to"):
        write_note(tmp_path / "nowhere", [BROKEN], DEPLOYMENT, NOW)


def test_the_page_shows_one() -> None:
    assert format_note([HEALTHY, BROKEN], DEPLOYMENT, NOW) in EXAMPLE.read_text()
