"""The page of messages is what the auditor's code sends."""

from __future__ import annotations

from custody.ledger.notices import Change
from scripts.docs import alerts


def test_the_page_is_what_the_code_sends() -> None:
    assert alerts.PAGE.read_text(encoding="utf-8") == alerts.render(), "Run: make docs"


def test_there_is_an_example_of_each_change() -> None:
    assert {notice.change for notice in alerts.NOTICES} == set(Change)
