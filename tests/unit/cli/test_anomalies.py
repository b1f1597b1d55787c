"""``custody anomalies``: findings, rules that fail, and wrong use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from custody.errors import CannotCheckError
from custody.ledger.anomalies import find_anomalies
from custody.ledger.athena import Athena, Row
from custody.ledger.rules import Period, all_rules
from tests.support import normal_life
from tests.unit.cli.test_commands import Capture, Told
from tests.unit.cloud import Cloud, deployed, write_deployment

COLUMNS = dict.fromkeys(("rule", "subject", "principal", "source_ip", "detail", "evidence"), "varchar")
COLUMNS |= dict.fromkeys(("hour_start", "first_time", "last_time"), "timestamp") | {"occurrences": "bigint"}
HOUR = datetime(2026, 4, 21, 10, tzinfo=UTC)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    with deployed(monkeypatch) as cloud:
        roles, keys = normal_life.DEPLOYMENT.roles, normal_life.DEPLOYMENT.signing_keys
        cloud.deployment = replace(cloud.deployment, roles=roles, signing_keys=keys)
        monkeypatch.setenv("CUSTODY_DEPLOYMENT", str(write_deployment(cloud, tmp_path)))
        monkeypatch.setenv("COLUMNS", "200")
        yield cloud


def row(
    rule: str = "trail-stopped", subject: str = "custody-local", principal: str = "arn:\x1b[2Jmallory"
) -> list[str | int | datetime]:
    return [
        rule,
        subject,
        principal,
        "192.0.2.1",
        'StopLogging {"name": "x"}',
        "e-1",
        *[HOUR] * 3,
        2,
    ]


def test_findings_are_one_document(cloud: Cloud, capsys: Capture) -> None:
    cloud.will_answer(COLUMNS, [row()])

    told = Told(capsys, "anomalies", "--rule", "trail-stopped", "--until", "2026-04-22", "--format", "json")

    assert told.status == 1
    document = told.document
    (found,) = document.pop("findings")
    assert document == {
        "since": "2026-04-21T00:00:00Z",
        "until": "2026-04-22T00:00:00Z",
        "rules": ["trail-stopped"],
        "unchecked": {},
    }
    assert len(found.pop("id")) == 64
    assert found == {
        "claim": "anomaly.trail-stopped",
        "status": "unexpected",
        "subject": "custody-local",
        "detail": 'StopLogging {"name": "x"}',
        "severity": "critical",
        "principal": "arn:\x1b[2Jmallory",
        "source_ip": "192.0.2.1",
        "occurrences": 2,
        "first": "2026-04-21T10:00:00Z",
        "last": "2026-04-21T10:00:00Z",
        "evidence": "e-1",
        "runbook": "trail-stopped",
    }


def test_findings_are_told_to_people_without_what_a_terminal_obeys(cloud: Cloud, capsys: Capture) -> None:
    cloud.will_answer(COLUMNS, [row(subject="s3://b\u202ed")])

    told = Told(capsys, "anomalies", "--rule", "trail-stopped")

    assert told.status == 1
    assert told.lines == [
        r"critical trail-stopped  s3://b\u202ed",
        r"  2026-04-21T10:00:00Z, 2 times by arn:\x1b[2Jmallory from 192.0.2.1",
        '  StopLogging {"name": "x"}',
    ]
    assert "1 rule, " in told.err


def test_nobody_adds_a_line_to_what_is_told(cloud: Cloud, capsys: Capture) -> None:
    cloud.will_answer(COLUMNS, [row(principal="mallory\ncritical trail-stopped  another")])

    told = Told(capsys, "anomalies", "--rule", "trail-stopped")

    assert len(told.lines) == 3
    assert r"by mallory\x0acritical trail-stopped  another from" in told.lines[1]


def test_nothing_found_is_success(cloud: Cloud, capsys: Capture) -> None:
    assert Told(capsys, "anomalies").status == 0


def test_all_rules_are_asked_in_few_queries(cloud: Cloud, capsys: Capture) -> None:
    Told(capsys, "anomalies")

    asked = [sql for sql, _ in cloud.asked()]
    assert len(all_rules()) == 36
    assert len(asked) == 8
    assert all(any(f"'{name}'" in sql for sql in asked) for name in all_rules())
    assert not any("${" in sql for sql in asked)


class Failing(Athena):
    """An Athena that fails every query in which a text is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def query(self, sql: str, parameters: object = ()) -> Iterator[Row]:
        if self._text in sql:
            raise CannotCheckError("Athena ended query q-1 as FAILED: no such column.")
        return iter(())


def test_a_rule_that_fails_is_named_and_the_others_are_asked() -> None:
    period = Period(normal_life.START, HOUR)
    rules = tuple(all_rules().values())

    found = find_anomalies(Failing("'StopLogging'"), normal_life.DEPLOYMENT, period, rules)

    assert found.unasked == {"trail-stopped": "Athena ended query q-1 as FAILED: no such column."}


def test_a_rule_that_fails_is_status_3(
    cloud: Cloud, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("custody.cli.options.Run.athena", lambda run, tell: Failing("'StopLogging'"))

    told = Told(capsys, "anomalies", "--format", "json")

    assert told.status == 3
    assert list(told.document["unchecked"]) == ["trail-stopped"]
    assert "q-1" in told.document["unchecked"]["trail-stopped"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rule", "trail-sped\x1b"], r"There is no rule trail-sped\x1b. The rules are access-log-changed"),
        (["--since", "1d", "--until", "2d"], "--until is not after --since"),
        (["--since", "soon"], "is not a time"),
    ],
)
def test_wrong_use(cloud: Cloud, capsys: Capture, arguments: list[str], words: str) -> None:
    told = Told(capsys, "anomalies", *arguments)

    assert told.status == 2
    assert words in told.err.replace("\\\\", "\\")


def test_a_deployment_of_before_is_wrong_use(
    cloud: Cloud, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cloud.deployment = replace(cloud.deployment, roles={})
    monkeypatch.setenv("CUSTODY_DEPLOYMENT", str(write_deployment(cloud, tmp_path)))

    told = Told(capsys, "anomalies")

    assert told.status == 2
    assert "Run make apply again." in told.err
