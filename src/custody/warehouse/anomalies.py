"""What Snowflake's own history says of loads: the queries of ``sql/warehouse`` as rules about a period.

Each query is a view in the schema ``MONITOR`` that ``setup_statements`` creates: its owner reads
``SNOWFLAKE.ACCOUNT_USAGE``, and the loader no more than the view. The header of a query is that of a rule
(``custody.ledger.rules``), and has

    @finds                        which of its rows are told of: a condition
    @time                         when it happened: the rows of a period are asked for by it
    @subject @principal @detail @evidence
                                  expressions, each a text

Snowflake's history is up to three hours late (https://docs.snowflake.com/en/sql-reference/account-usage).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from custody.errors import CannotCheckError
from custody.findings import Severity
from custody.ledger.anomalies import Anomaly, Found
from custody.ledger.notices import Change, Notice, message_about
from custody.ledger.rules import TAG, Period, Rule, parse_rule
from custody.times import format_time
from custody.warehouse.connection import Session, Settings
from custody.warehouse.sql import identifier

SCHEMA = "MONITOR"
LATE = timedelta(hours=3)
"""How late Snowflake's history may be."""
MOST = 50
"""So many rows of a rule are told of, at most."""
KIND = "warehouse"
_TEXTS = ("subject", "principal", "detail", "evidence")


@dataclass(frozen=True, slots=True)
class Query:
    """A query of ``sql/warehouse``: the rule that it is, its view, and the expressions of its header."""

    rule: Rule
    view: str
    tags: dict[str, str]

    def statement(self) -> str:
        """What asks for rows that are told of, ``MOST`` and one at most; the period is two bound texts."""
        columns = ", ".join(f"{self.tags[name]} AS {name}" for name in _TEXTS)
        time, moment = self.tags["time"], "CAST(? AS TIMESTAMP_LTZ)"
        return (
            f"SELECT {time} AS event_time, {columns} FROM {identifier(SCHEMA)}.{identifier(self.view)} "
            f"WHERE {self.tags['finds']} AND {time} >= {moment} AND {time} < {moment} "
            f"ORDER BY event_time LIMIT {MOST + 1}"
        )


@cache
def queries() -> dict[str, Query]:
    """Every query by the name of its rule, in order."""
    found = {}
    for file in sorted((files("custody.warehouse") / "queries").iterdir(), key=lambda file: file.name):
        stem = file.name.removesuffix(".sql")
        if stem not in {file.name, "setup"}:
            text = file.read_text(encoding="utf-8")
            rule = parse_rule(f"warehouse-{stem.replace('_', '-')}", text)
            found[rule.name] = Query(rule, stem.upper(), dict(TAG.findall(text)))
    return found


def view_statements(settings: Settings) -> list[str]:
    """The statements that create the views, anew if they are there; the role of people who ask runs them."""
    schema = f"{settings.name}.{SCHEMA}"
    statements = [f"USE ROLE {settings.name}_MONITOR", f"CREATE SCHEMA IF NOT EXISTS {schema}"]
    for query in queries().values():
        view = f"{schema}.{query.view}"
        statements += [
            f"CREATE OR REPLACE VIEW {view} AS\n{query.rule.sql.replace('${name}', settings.name)}",
            f"GRANT SELECT ON VIEW {view} TO ROLE {settings.loader}",
        ]
    return [*statements, f"GRANT USAGE ON SCHEMA {schema} TO ROLE {settings.loader}"]


def find(session: Session, period: Period) -> Found:
    """Ask every query about a period. One that cannot be asked does not keep the others from being asked."""
    found = Found()
    for name, query in queries().items():
        try:
            rows = session.run(query.statement(), [format_time(period.since), format_time(period.until)])
            found.anomalies += _anomalies(query.rule, rows)
        except CannotCheckError as error:
            found.unasked[name] = str(error)
    order = list(Severity)
    found.anomalies.sort(key=lambda one: (order.index(one.rule.severity), one.first, one.id))
    return found


def _anomalies(rule: Rule, rows: Iterable[tuple[Any, ...]]) -> list[Anomaly]:
    """Rows with the same subject and principal within an hour are one."""
    alike: dict[tuple[str, str, datetime], Anomaly] = {}
    for number, (moment, *texts) in enumerate(rows):
        if not isinstance(moment, datetime):
            raise CannotCheckError(f"The rule {rule.name} found something without a time.")
        time = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        subject, principal, detail, evidence = ("" if text is None else str(text) for text in texts)
        if number == MOST:
            subject, principal, detail = f"more than {MOST} rows of this rule", "", f"The next: {subject}"
        key = subject, principal, time.replace(minute=0, second=0, microsecond=0)
        one = alike.get(key)
        alike[key] = (
            Anomaly(rule, subject, principal or None, None, key[2], 1, time, time, detail, evidence)
            if one is None
            else replace(one, occurrences=one.occurrences + 1, last=time)
        )
    return list(alike.values())


def message_of(one: Anomaly, deployment: str) -> dict[str, Any]:
    """The message about a finding, as SNS takes it; told again, it has the same ``notice``."""
    view = queries()[one.rule.name].view
    return message_about(
        Notice.of(one, Change.FOUND, 1),
        deployment,
        one.rule,
        kind=KIND,
        look=f"sql/warehouse/{view.lower()}.sql",
    )
