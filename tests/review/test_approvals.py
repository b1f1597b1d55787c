"""What is approved and what is not: by finding or by grant, in time, and never by accident."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from scripts.review.approvals import Approval, Judged, judge, read_approvals
from scripts.review.findings import Finding
from scripts.toolchain.toolchain import REPO, ToolError

TODAY = date(2026, 11, 20)
READ = Finding(
    "wider",
    "access",
    "role `etl`",
    "role `etl` may now read",
    principal="custody-dev-etl",
    actions=("s3:GetObject", "s3:GetObjectVersion"),
    resources=("arn:aws:s3:::b/*",),
    effect="Allow",
)


def grant(
    principal: str = "custody-*-etl",
    actions: tuple[str, ...] = ("S3:Get*",),
    resources: tuple[str, ...] = ("arn:aws:s3:::b/*",),
    until: date = TODAY,
) -> Approval:
    return Approval(1, "Ada", "because", until, principal=principal, actions=actions, resources=resources)


def judged(finding: Finding, *approvals: Approval) -> Judged:
    return judge([finding], approvals, TODAY)


@pytest.mark.parametrize(
    ("approvals", "approved"),
    [
        ([], False),
        ([grant()], True),
        ([grant(principal="custody-dev-gate")], False),
        ([grant(actions=("s3:GetObject",))], False),
        ([grant(actions=("s3:GetObject",)), grant(actions=("s3:GetObjectVersion",))], True),
        ([grant(resources=("arn:aws:s3:::b/in/*",))], False),
        ([grant(principal="*")], False),
        ([grant(until=date(2026, 11, 19))], False),
        ([Approval(1, "Ada", "because", TODAY, finding=READ.id)], True),
        ([Approval(1, "Ada", "because", TODAY, finding="0" * 12)], False),
    ],
    ids=[
        *("none", "covered", "someone else", "one action of two", "by two entries", "less of the resource"),
        *("anyone is nobody in particular", "expired yesterday", "by finding", "another finding"),
    ],
)
def test_a_grant_is_approved_as_a_whole_or_not(approvals: list[Approval], approved: bool) -> None:
    found = judged(READ, *approvals)
    assert (found.refused == ()) is approved
    assert (READ.id in found.approved) is approved


def test_anyone_is_approved_as_anyone() -> None:
    public = Finding(
        "wider", "exposure", "anyone", "t", "*", ("s3:GetObject",), ("arn:aws:s3:::b/*",), "Allow"
    )
    assert judged(public, grant(principal="custody-*")).refused == (public,)
    assert judged(public, grant(principal="*")).refused == ()


@pytest.mark.parametrize(
    "finding",
    [
        Finding(
            "wider", "access", "s", "t", "custody-dev-etl", ("s3:GetObject",), ("arn:aws:s3:::b/*",), "Deny"
        ),
        Finding("wider", "protection", "s", "t"),
        Finding("wider", "destruction", "s", "t"),
        Finding("wider", "unknown", "s", "t"),
    ],
    ids=["a denial gone", "protection", "destruction", "unknown"],
)
def test_all_but_grants_is_approved_by_its_id_alone(finding: Finding) -> None:
    everything = grant(principal="custody-*", actions=("*",), resources=("*",))
    assert judged(finding, everything).refused == (finding,)
    assert judged(finding, Approval(1, "Ada", "w", TODAY, finding=finding.id)).refused == ()


def test_a_new_role_is_approved_with_any_of_what_it_may() -> None:
    new = Finding("wider", "access", "s", "role is new", principal="custody-dev-etl")
    assert judged(new, grant()).refused == ()
    assert judged(new, grant(principal="custody-dev-gate")).refused == (new,)


def test_an_entry_of_no_use_is_stale_and_one_too_late_expired() -> None:
    useful, late = grant(), grant(until=date(2020, 1, 1))
    useless = Approval(3, "Ada", "because", TODAY, finding="0" * 12)
    found = judged(READ, useful, useless, late)
    assert (found.stale, found.expired, found.refused) == ((useless,), (late,), ())


def test_what_gets_narrower_needs_nobody() -> None:
    less = Finding("narrower", "access", "s", "t")
    assert judged(less).refused == ()


def test_an_id_changes_with_what_is_said_and_not_otherwise() -> None:
    again = Finding(**{name: getattr(READ, name) for name in READ.__dataclass_fields__})
    assert again.id == READ.id
    assert len(READ.id) == 12
    assert Finding("wider", "access", "s", "t").id != Finding("wider", "access", "s", "u").id


def written(folder: Path, text: str) -> Path:
    path = folder / "access-approvals.yaml"
    path.write_text(text)
    return path


def test_both_forms_are_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
approvals:
- principal: custody-*-etl
  actions: [s3:GetObject]
  resources: ["arn:aws:s3:::b/*"]
  by: Ada
  why: x
  until: 2027-01-31
- {finding: 3f9c0a1b22de, by: Ada, why: y, until: 2026-12-31}
""",
    )
    one, other = read_approvals(path)
    assert (one.number, one.principal, one.actions, one.until) == (
        *(1, "custody-*-etl", ("s3:GetObject",)),
        date(2027, 1, 31),
    )
    assert (other.number, other.finding, other.what) == (2, "3f9c0a1b22de", "finding 3f9c0a1b22de")


def test_no_file_approves_nothing(tmp_path: Path) -> None:
    assert read_approvals(tmp_path / "none.yaml") == []


def test_the_repository_s_own_file_can_be_read() -> None:
    path = REPO / "terraform" / "access-approvals.yaml"
    assert path.is_file()
    assert all(approval.by and approval.why for approval in read_approvals(path))


WHO = "by: Ada, why: x, until: 2027-01-31"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("approvals: [", "is not YAML: while parsing"),
        ("", "must have one key, approvals"),
        ("approvals: []\nmore: 1", "must have one key, approvals"),
        ("approvals: yes", "approvals must be a list"),
        ("approvals: [x]", "entry 1 must be a mapping"),
        (f"approvals: [{{finding: abc, {WHO}, sure: yes}}]", "entry 1 has sure, which is unknown"),
        (
            f"approvals: [{{{WHO}}}]",
            "must name either a finding, or a principal with actions and resources",
        ),
        (
            f"approvals: [{{principal: a, actions: [b], {WHO}}}]",
            "must name either a finding, or a principal",
        ),
        (
            f"approvals: [{{finding: abc, principal: a, {WHO}}}]",
            "must name either a finding, or a principal",
        ),
        (f"approvals: [{{finding: 123456789012, {WHO}}}]", "finding must be a text"),
        ("approvals: [{finding: abc, by: Ada, until: 2027-01-31}]", "why must be a text"),
        ("approvals: [{finding: abc, by: '', why: x, until: 2027-01-31}]", "by must be a text"),
        ("approvals: [{finding: abc, by: Ada, why: x}]", "until must be a date, such as 2027-01-31"),
        ("approvals: [{finding: abc, by: Ada, why: x, until: soon}]", "until must be a date"),
        (
            f"approvals: [{{principal: a, actions: b, resources: [c], {WHO}}}]",
            "actions must be a list of texts",
        ),
        (
            f"approvals: [{{principal: a, actions: [b], resources: [1], {WHO}}}]",
            "resources must be a list of",
        ),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ToolError, match=message) as refused:
        read_approvals(written(tmp_path, text))
    assert str(refused.value).startswith("access-approvals.yaml")
    assert "\n" not in str(refused.value)
