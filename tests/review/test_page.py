"""The page of a review: the worst first, no active content, never too long for a comment."""

from __future__ import annotations

import json
from datetime import date

import pytest

from scripts.review.approvals import Approval, judge
from scripts.review.findings import About, Direction, Finding
from scripts.review.page import LIMIT, Compared, as_json, as_markdown
from scripts.review.words import code, codes

TODAY = date(2026, 11, 20)
SIDES = Compared("main (4eea2ae)", "working tree")


def finding(direction: Direction, about: About, text: str, subject: str = "role `etl`") -> Finding:
    return Finding(direction, about, subject, f"{subject} {text}")


EVERY = [
    finding("wider", "protection", "is encrypted less", "bucket `b`"),
    finding("wider", "access", "may now read"),
    finding("wider", "access", "may now write"),
    finding("wider", "exposure", "may now read", "anyone"),
    finding("narrower", "access", "may no longer delete"),
    finding("wider", "destruction", "is destroyed", "bucket `c`"),
    finding("wider", "unknown", "is not known until apply"),
]


def page(findings: list[Finding], *approvals: Approval, limit: int = LIMIT) -> str:
    return as_markdown(SIDES, judge(findings, approvals, TODAY), limit)


def test_the_worst_stands_first_and_less_access_last() -> None:
    text = page(EVERY)
    assert text.startswith("## ❌ 6 changes of access or protection need an approval\n\n`main (4eea2ae)` → ")
    places = [
        text.index(words)
        for words in (
            *("### Open to others", "### Wider access", "### Destroyed or replaced"),
            *("### Less protection", "### Not decided", "<details><summary>Narrower or safer: 1</summary>"),
        )
    ]
    assert places == sorted(places)


def test_what_one_principal_gets_stands_together() -> None:
    text = page(EVERY)
    first, second = EVERY[1], EVERY[2]
    assert f"- **role `etl`**\n  - may now read [`{first.id}`]\n  - may now write [`{second.id}`]\n" in text
    assert f"- bucket `c` is destroyed [`{EVERY[5].id}`]\n" in text


@pytest.mark.parametrize(
    ("findings", "verdict", "headline"),
    [
        ([], "same", "✅ Nothing changes in access and protection"),
        (EVERY[4:5], "narrower", "✅ Access only gets narrower, protection stronger"),
        (EVERY[:1], "refused", "❌ 1 change of access or protection needs an approval"),
    ],
)
def test_the_verdict(findings: list[Finding], verdict: str, headline: str) -> None:
    assert page(findings).startswith(f"## {headline}\n")
    assert as_json(SIDES, judge(findings, [], TODAY))["verdict"] == verdict


def test_what_is_approved_is_told_with_who_and_why() -> None:
    approval = Approval(1, "Ada `x`", "it is meant", TODAY, finding=EVERY[1].id)
    text = page(EVERY[1:2], approval)
    assert text.startswith("## ✅ Access gets wider only where that is approved")
    assert "; approved by `` Ada `x` `` until 2026-11-20: `it is meant`" in text
    assert as_json(SIDES, judge(EVERY[1:2], [approval], TODAY))["verdict"] == "approved"


def test_approvals_of_no_use_are_told() -> None:
    stale = Approval(2, "Ada", "x", TODAY, finding="0" * 12)
    late = Approval(3, "Ada", "x", date(2020, 1, 1), principal="a", actions=("b",), resources=("c",))
    text = page([], stale, late)
    assert "- entry 2 of `access-approvals.yaml` matches nothing here (by `Ada`, until 2026-11-20)" in text
    assert "- entry 3 of `access-approvals.yaml` expired (by `Ada`, until 2020-01-01): `a: b on c`" in text


@pytest.mark.parametrize("direction", ["wider", "narrower"])
def test_a_long_review_is_cut_and_says_so(direction: Direction) -> None:
    many = [
        finding(direction, "access", f"{number} → {'ü' * 300}", f"role `{number}`") for number in range(500)
    ]
    text = page(many)
    assert LIMIT - 2000 < len(text.encode()) <= LIMIT
    shown = sum(line.startswith("- role") for line in text.splitlines())
    assert f"**{500 - shown} more do not fit here: all are in `review.json`.**" in text
    assert text.count("<details>") == text.count("</details>")
    assert len(as_json(SIDES, judge(many, [], TODAY))["findings"]) == 500


def test_a_review_that_fits_is_not_cut() -> None:
    assert "do not fit" not in page(EVERY)


def test_the_data_say_all_of_it() -> None:
    approval = Approval(1, "Ada", "it is meant", TODAY, finding=EVERY[1].id)
    document = json.loads(json.dumps(as_json(SIDES, judge(EVERY, [approval], TODAY))))
    assert (document["version"], document["before"], document["after"]) == (
        1,
        "main (4eea2ae)",
        "working tree",
    )
    assert document["refused"] == 5
    assert sorted(document["approvals"]) == ["expired", "stale"]
    told = document["findings"][1]
    assert sorted(told) == sorted(
        [
            *("about", "actions", "address", "approved", "change", "direction", "effect", "id", "parts"),
            *("policy", "principal", "resources", "statement", "subject", "text"),
        ]
    )
    assert told["approved"] == [
        {
            "entry": 1,
            "what": f"finding {EVERY[1].id}",
            "by": "Ada",
            "why": "it is meant",
            "until": "2026-11-20",
        }
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain", "`plain`"),
        ("", "` `"),
        ("a`b", "`` a`b ``"),
        ("``", "``` `` ```"),
        ("a\nb", "`a\\x0ab`"),
        ("<b>@team|", "`<b>@team|`"),
        ("\u202e", "`\\u202e`"),
    ],
)
def test_a_name_is_code_and_nothing_else(name: str, shown: str) -> None:
    assert code(name) == shown


def test_long_names_and_lists_are_shortened() -> None:
    assert len(code("x" * 5000)) < 250
    assert codes(str(number) for number in range(8)) == "`0`, `1`, `2`, `3`, `4`, `5` and 2 more"
