"""The report in a real browser: quiet, quick, and usable with a keyboard, a screen reader and a phone."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from custody.ledger.ledger import LedgerCount
from custody.report import render_report
from custody.report.data import LISTED_FINDINGS, ReportData
from custody.report.gather import ACCESS_ROWS, DENIED_ROWS, LEDGER_ROWS
from scripts.toolchain.node import PACKAGES, node_program
from tests.unit.report.sample import HOSTILE, START, denied_row, ledger_row, sample_data

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCREEN, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
READERS = [{**size, "colorScheme": colors} for size in (SCREEN, PHONE) for colors in ("light", "dark")]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: install the package chromium")


def opened(html: str, folder: Path, readers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    page = folder / "report.html"
    page.write_text(html)
    script = Path(__file__).with_name("open_page.mjs")
    done = subprocess.run(
        [node_program(), script, PACKAGES, str(CHROMIUM), page, json.dumps(readers)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def large() -> ReportData:
    """A page of a ledger of 100,000 writes, with a finding about each, and every list full."""
    data = sample_data()
    keys = [f"{HOSTILE[number % len(HOSTILE)]}{number}" for number in range(LEDGER_ROWS)]
    count = LedgerCount("bronze", "verified", 100_000, START, START)
    return replace(
        data,
        counts=(count,),
        rows=tuple(ledger_row(number % 24, key) for number, key in enumerate(keys)),
        denied=tuple(denied_row(number) for number in range(DENIED_ROWS)),
        accesses=data.accesses * (ACCESS_ROWS // len(data.accesses)),
        verification=replace(data.verification, findings=data.verification.findings[:1] * 100_000),
    )


def test_everybody_can_read_it_and_it_says_nothing_to_the_console(tmp_path: Path) -> None:
    for found in opened(render_report(sample_data()), tmp_path, READERS):
        assert found["said"] == []
        assert found["violations"] == []
        assert found["passes"] > 30
        assert found["overflow"] == 0, "the page scrolls sideways"


def test_what_is_wrong_is_read_on_a_phone_without_scrolling_sideways(tmp_path: Path) -> None:
    html = render_report(sample_data())
    told = {"Findings, a table", "Stages that need attention, a table"}
    assert all(f'aria-label="{name}"' in html for name in told)
    (found,) = opened(html, tmp_path, [{**PHONE, "colorScheme": "light"}])
    assert told.isdisjoint(found["wide"]), found["wide"]
    assert found["wide"], "those with columns of numbers"


def test_a_page_of_a_hundred_thousand_writes_opens_at_once(tmp_path: Path) -> None:
    html = render_report(large())
    assert html.count("<tr>") < 3 * LISTED_FINDINGS
    (found,) = opened(html, tmp_path, [{**PHONE, "colorScheme": "light"}])
    assert (found["said"], found["violations"]) == ([], [])


def test_what_is_wrong_with_a_page_is_seen(tmp_path: Path) -> None:
    sound = render_report(sample_data())
    wrong = sound.replace('lang="en"', "").replace("<main>", '<main><img src="elsewhere.png">')
    (found,) = opened(wrong, tmp_path, [{**SCREEN, "colorScheme": "light"}])
    assert {violation["id"] for violation in found["violations"]} == {"html-has-lang", "image-alt"}
    assert "Content Security Policy" in found["said"][0]
