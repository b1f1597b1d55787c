"""An exception covers what it names, has a reason, and is reported when it covers nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.scan.exceptions import divide, read_exemptions
from scripts.scan.model import Finding, ScanError

FOUND = Finding(
    path="terraform/audit.tf",
    line=3,
    rule="RESOURCE_STAR",
    where='module.lake["raw-data"].aws_s3_bucket_policy.this (resource)',
    statement="NobodyWithoutTls",
    value="abc",
)
ENTRY = """\
# why not
- tool: parliament
  finding: RESOURCE_STAR
  where: "*.aws_s3_bucket_policy.this (resource)"
  statement: Nobody*
  reason: It denies.
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "exceptions.yaml"
    path.write_text(text)
    return path


def test_what_is_covered_is_accepted_with_its_reason_and_place(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY)
    left, (accepted,) = divide("parliament", [FOUND], read_exemptions(path), path)
    assert left == ()
    assert (accepted.finding, accepted.reason, accepted.written) == (FOUND, "It denies.", "exceptions.yaml:2")


@pytest.mark.parametrize(
    "other",
    [
        replace(FOUND, rule="MALFORMED"),
        replace(FOUND, where="aws_sqs_queue.this (resource)"),
        replace(FOUND, statement="RecorderReads"),
    ],
)
def test_what_is_not_named_is_not_covered(tmp_path: Path, other: Finding) -> None:
    path = written(tmp_path, ENTRY)
    left, accepted = divide("parliament", [FOUND, other], read_exemptions(path), path)
    assert left == (other,)
    assert len(accepted) == 1


def test_a_secret_of_another_value_is_not_covered(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY.replace("statement: Nobody*", "value: abc"))
    other = replace(FOUND, value="abd")
    left, _ = divide("parliament", [FOUND, other], read_exemptions(path), path)
    assert left == (other,)


def test_an_exception_that_covers_nothing_is_a_finding(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY)
    (stale,), accepted = divide("parliament", [], read_exemptions(path), path)
    assert (stale.rule, stale.path, stale.line) == ("stale-exception", "exceptions.yaml", 2)
    assert accepted == ()


def test_the_exceptions_of_another_tool_are_not_asked(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRY)
    assert divide("cloudsplaining", [FOUND], read_exemptions(path), path) == ((FOUND,), ())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ENTRY.replace("  reason: It denies.\n", ""), "exceptions.yaml:2: an exception has"),
        (ENTRY.replace("It denies.", "''"), "exceptions.yaml:2: every value"),
        (ENTRY + "  until: tomorrow\n", "exceptions.yaml:2: an exception has"),
        ("tool: parliament\n", "must be a list"),
    ],
)
def test_half_an_exception_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ScanError, match=words):
        read_exemptions(written(tmp_path, text))


def test_no_exceptions_are_none(tmp_path: Path) -> None:
    assert read_exemptions(written(tmp_path, "# none\n")) == []
