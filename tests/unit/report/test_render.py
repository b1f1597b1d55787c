from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from custody.findings import Claim, Severity
from custody.ledger.ledger import LedgerStatus
from custody.report import render_report
from custody.report.data import ReportData
from custody.verify.verify import VerificationReport
from tests.unit.report.sample import HOSTILE, ledger_row, sample_data


class Page(HTMLParser):
    """The elements of a page, and its text."""

    VOID = ("meta", "link", "br", "img", "input", "hr")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        assert self.open == [], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(sample_data())


def test_the_same_data_give_the_same_page(html: str) -> None:
    assert render_report(sample_data()) == html


def test_the_page_runs_nothing_and_loads_nothing(html: str) -> None:
    page = Page(html)
    allowed_attributes = {
        "id",
        "class",
        "lang",
        "charset",
        "name",
        "content",
        "http-equiv",
        "scope",
        "role",
        "tabindex",
    }
    assert not page.named("script") + page.named("img") + page.named("link") + page.named("iframe")
    assert not page.named("a") + page.named("form") + page.named("object") + page.named("base")
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), tag
            assert name not in {"style", "href", "src", "xlink:href"}, tag
            assert "javascript:" not in (value or "")
            assert name in allowed_attributes or name.startswith("aria-") or tag in SVG, (tag, name)


SVG = {"svg", "g", "rect", "path", "circle", "text", "line", "defs", "pattern", "marker", "title", "desc"}


def test_the_policy_lets_through_the_style_and_nothing_else(html: str) -> None:
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert len(style) == 1
    digest = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    [policy] = [
        meta["content"]
        for meta in Page(html).named("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style[0]
    assert "@import" not in style[0]


def test_hostile_names_are_text(html: str) -> None:
    page = Page(html)
    for raw in ("<script>alert", "\x1b", "\u202e", "<b>", "<img"):
        assert raw not in html
    assert "incoming/<script>alert(1)</script>.csv" in page.text
    assert r"incoming/\x1b[2J\x1b[31mred\x0d\x0averified" in page.text
    assert r"incoming/invoice\u202efdp.exe" in page.text
    assert HOSTILE[5] in page.text
    assert HOSTILE[6] in page.text


def test_every_picture_says_in_words_what_it_shows(html: str) -> None:
    page = Page(html)
    for svg in page.named("svg"):
        if svg.get("aria-hidden") == "true":
            continue
        assert svg["role"] == "img"
        for identity in str(svg["aria-labelledby"]).split():
            assert f'id="{identity}"' in html
    for status in LedgerStatus:
        assert status.value in page.text


def test_the_page_says_what_was_found(html: str) -> None:
    text = " ".join(Page(html).text.split())
    assert "3 findings: the evidence does not hold everywhere." in text
    assert "24 object versions were written between 2026-01-15 09:30:00 and 2026-01-15 09:32:41 UTC" in text
    assert "2 critical, 1 high" in text
    assert "2 of 3 stages need attention." in text
    assert "3 messages of <b> could not be recorded." in text
    assert "Look at its log." in text
    assert "All 24 writes, newest first." in text
    assert "The newest 3 of 5 attempts that AWS denied." in text
    assert "24 PreconditionFailed" in text
    assert "7d1f0a" in text
    assert "SlowDown <b>" in text


def test_the_consoles_pages_are_told_as_text_where_they_are_known(html: str) -> None:
    page = Page(html)
    assert "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#dashboards" in page.text
    assert "javascript:alert(1)//<a href=x>" in page.text
    data = sample_data()
    older = replace(data, deployment=replace(data.deployment, monitoring_urls={}))
    assert "Where else to look" not in words(older)


def words(data: ReportData) -> str:
    return " ".join(Page(render_report(data)).text.split())


def test_the_verdict_follows_the_evidence() -> None:
    data = sample_data()
    clean = VerificationReport(
        claims=data.verification.claims, findings=(), unchecked=(), sample=1.0, seed="s"
    )
    partly = replace(data, verification=clean)
    assert "not everything is proven yet" in words(partly)
    verified = tuple(count for count in data.counts if count.status == "verified")
    assert "All evidence holds." in words(replace(partly, counts=verified))


def test_an_empty_ledger_has_a_page_too() -> None:
    nothing = VerificationReport(claims={}, findings=(), unchecked=(), sample=1.0, seed="s")
    empty = replace(
        sample_data(),
        verification=nothing,
        counts=(),
        timeline=(),
        rows=(),
        access_counts=(),
        denied=(),
        accesses=(),
        laps=(),
    )
    text = words(empty)
    assert "The ledger is empty" in text
    assert "No attempt was denied." in text


def test_a_bounded_table_says_how_much_there_is() -> None:
    data = sample_data()
    text = words(replace(data, rows=data.rows[:5]))
    assert "The newest 5 of 24 writes." in text


def test_unknown_layers_and_statuses_are_shown_not_refused() -> None:
    data = sample_data()
    row = replace(ledger_row(1, "k"), status='new"status', layer="platinum<i>")
    count = replace(data.counts[0], status='new"status', layer="platinum<i>", rows=4)
    text = words(replace(data, rows=(row,), counts=(*data.counts, count)))
    assert 'new"status' in text
    assert "platinum<i>" in text


def test_a_verified_write_with_a_finding_is_marked(html: str) -> None:
    row = next(row for row in sample_data().rows if row.object_key == HOSTILE[1])
    assert row.status == "verified"
    assert row.uri in sample_data().by_subject
    assert html.count(">1 finding<") == 1


def test_a_mismatch_says_in_what_and_as_text() -> None:
    data = sample_data()
    row = replace(ledger_row(1, "incoming/a.csv", "mismatch"), contradicts="source_ip<img src=x>\u202e")
    page = Page(render_report(replace(data, rows=(row, ledger_row(2, "incoming/b.csv")))))

    assert page.text.count("trail and receipt differ in") == 1
    assert "source_ip<img src=x>\\u202e" in page.text
    assert page.named("img") == []


def test_of_many_findings_the_worst_are_listed_and_the_others_counted() -> None:
    data = sample_data()
    (finding, *_) = data.verification.findings
    minor = replace(finding, claim=Claim.KEY_USE, detail="Minor.", severity=Severity.LOW)
    findings = (*[minor] * 100_000, replace(finding, detail="The worst."))
    html = render_report(replace(data, verification=replace(data.verification, findings=findings)))
    text = " ".join(Page(html).text.split())
    assert "Listed are the 500 worst of 100,001: 100,000 key.use, 1 object.hash." in text
    assert text.index("The worst.") < text.index("Minor.")
    assert text.count("Minor.") == 499
