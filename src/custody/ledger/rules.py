"""The rules of ``sql/anomalies``: what each looks for, and the statements that look for it in a period.

A rule is one SELECT. Its rows are occurrences: ``rule, event_time, subject, principal, source_ip, detail,
evidence``. Occurrences of one rule with the same subject, principal and address within one hour are one
anomaly (``custody.ledger.anomalies``). Its header comment begins with the question that it answers, and has

    @severity         critical | high | medium | low
    @why              why it matters
    @runbook          section of docs/runbook_failures.md: the rule's name
    @false_positives  what may look so and is harmless
    @at_least         occurrences in an hour from which they count (1 if absent)
    @history          days before the period that the rule reads, to know what is usual (0 if absent)

Rules that only differ in their condition, or in the column whose new values they look for, are asked in one
statement, so that the trail is read once for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from ipaddress import IPv4Network

from custody.deployment import Deployment, SigningKey
from custody.errors import UsageError
from custody.evidence.agreement import RECORDING_TIME
from custody.findings import Severity
from custody.ledger.ledger import LATEST_DELIVERY
from custody.times import parse_time

TAG = re.compile(r"^-- @(\w+) (.+)$", re.MULTILINE)
_QUESTION = re.compile(r"-- (.+)\n")
_CONDITIONAL = re.compile(
    r"SELECT\n    '(?P<name>[a-z-]+)' AS rule,\n(?P<columns>.+)\nFROM (?P<table>\w+)\nWHERE\n"
    r"    \$\{window\}\n    AND (?P<condition>.+)",
    re.DOTALL,
)
"""A rule that is a condition on the rows of one table within the period."""
_NOVEL = re.compile(
    r"WITH days AS \(\n    SELECT\n        (?P<column>\w+),\n(?P<firsts>.+)\n"
    r"    FROM (?P<table>\w+)\n    WHERE\n"
    r"        \$\{history_window\}\n        AND (?P<condition>.+)\n    GROUP BY (?P=column)\n\),\n\n"
    r"known AS \(.+\n        min\(first_time\) OVER \(\) AS history_begins\n    FROM days\n\)\n\n"
    r"SELECT\n    '(?P<name>[a-z-]+)' AS rule,\n    first_time AS event_time,\n    (?P=column) AS subject,\n"
    r"(?P<shown>.+)",
    re.DOTALL,
)
"""A rule about the first of the rows of one table that have the same value of a column, in its history."""
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_NEVER = "false"
_OWN_ROLES = ("recorder", "sealer")
_RECORDER_ROLES = ("hasher", "recorder")
"""The first, of large objects, is not in every deployment."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it asks, and its SQL with placeholders."""

    name: str
    question: str
    severity: Severity
    why: str
    runbook: str
    false_positives: str
    at_least: int
    history: timedelta
    sql: str


@dataclass(frozen=True, slots=True)
class Period:
    """A period: from ``since`` to before ``until``, in aware times."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """One statement, and the rules that it answers."""

    rules: tuple[Rule, ...]
    sql: str


def parse_rule(name: str, text: str) -> Rule:
    """Read a rule's file. Raises ``ValueError`` if its header is not complete: it is a file of the kit."""
    tags = dict(TAG.findall(text))
    question = _QUESTION.match(text)
    if question is None or tags.get("runbook") != name or not {"why", "false_positives"} <= tags.keys():
        raise ValueError(f"The header of the rule {name} is not complete.")
    return Rule(
        name=name,
        question=question[1],
        severity=Severity(tags["severity"]),
        why=tags["why"],
        runbook=tags["runbook"],
        false_positives=tags["false_positives"],
        at_least=int(tags.get("at_least", "1")),
        history=timedelta(days=int(tags.get("history", "0"))),
        sql="".join(line for line in text.splitlines(keepends=True) if not line.startswith("--")).strip(),
    )


@cache
def all_rules() -> dict[str, Rule]:
    """Every rule by its name, in order."""
    found = sorted((files("custody.ledger") / "anomaly_rules").iterdir(), key=lambda file: file.name)
    return {
        rule.name: rule
        for file in found
        if file.name.endswith(".sql")
        for rule in [parse_rule(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))]
    }


def questions(
    rules: Iterable[Rule], deployment: Deployment, period: Period, most: int | None = None
) -> list[Question]:
    """Write the statements that ask these rules about a period: as few as possible, each for several rules.

    ``most``: of one rule and hour, only so many anomalies are asked for, the first. Raises ``UsageError`` if
    the deployment's file is too old to say what they need.
    """
    alike: dict[tuple[str, ...], list[Rule]] = {}
    kind: tuple[str, ...]
    for rule in rules:
        if parts := _CONDITIONAL.fullmatch(rule.sql):
            kind = (parts["table"], parts["columns"])
        elif parts := _NOVEL.fullmatch(rule.sql):
            kind = (parts["table"], parts["firsts"], parts["shown"], str(rule.history))
        else:
            kind = (rule.name,)
        alike.setdefault(kind, []).append(rule)
    return [question(group, deployment, period, most) for group in alike.values()]


def question(
    rules: Sequence[Rule], deployment: Deployment, period: Period, most: int | None = None
) -> Question:
    """Write the one statement for these rules: several are alike, as ``questions`` has them."""
    inner = rules[0].sql if len(rules) == 1 else _joined(rules) or _joined_novel(rules)
    values = _values(deployment, period, max(rule.history for rule in rules))
    filled = _PLACEHOLDER.sub(lambda found: values[found[1]], inner)
    thresholds = "".join(f" WHEN '{rule.name}' THEN {rule.at_least}" for rule in rules)
    grouped = (
        "SELECT rule, subject, principal, source_ip, date_trunc('hour', event_time) AS hour_start, "
        "count(DISTINCT evidence) AS occurrences, "
        "min(event_time) AS first_time, max(event_time) AS last_time, "
        "min_by(detail, event_time) AS detail, min_by(evidence, event_time) AS evidence\n"
        f"FROM (\n{filled}\n) AS occurred\nGROUP BY 1, 2, 3, 4, 5\n"
        f"HAVING count(DISTINCT evidence) >= max(CASE rule{thresholds} END)"
    )
    order = "first_time, rule, subject, principal, source_ip"
    if most is not None:
        place = f"row_number() OVER (PARTITION BY rule, hour_start ORDER BY {order}) AS place"
        grouped = (
            f"SELECT * FROM (\nSELECT *, {place} FROM (\n{grouped}\n) AS found\n) AS placed\n"  # noqa: S608
            f"WHERE place <= {most}"
        )
    return Question(tuple(rules), f"{grouped}\nORDER BY {order}")


def _joined(rules: Sequence[Rule]) -> str:
    """Write conditions as one SELECT: a row of the table is a row for each rule that it meets."""
    parts = _parts(_CONDITIONAL, rules)
    if not parts:
        return ""
    cases = ",\n".join(f"CASE WHEN {part['condition']} THEN '{part['name']}' END" for part in parts)
    # First the rows that any rule is met by, so that the columns are made of those alone.
    any_rule = "\nOR ".join(f"({part['condition']})" for part in parts)
    return (
        f"SELECT rule, event_time, subject, principal, source_ip, detail, evidence FROM (\n"  # noqa: S608
        f"SELECT\n{parts[0]['columns']},\nfilter(ARRAY[\n{cases}\n], met -> met IS NOT NULL) AS met_rules\n"
        f"FROM {parts[0]['table']}\nWHERE ${{window}} AND (\n{any_rule}\n)\n) AS judged\n"
        "CROSS JOIN UNNEST(met_rules) AS met (rule)"
    )


def _joined_novel(rules: Sequence[Rule]) -> str:
    """Write rules about first values as one SELECT: a row of the table has a value for each that it meets."""
    parts = _parts(_NOVEL, rules)
    names = ", ".join(_text(part["name"]) for part in parts)
    values = ",\n".join(f"CASE WHEN {part['condition']} THEN {part['column']} END" for part in parts)
    any_rule = "\nOR ".join(f"({part['condition']})" for part in parts)
    return (
        f"WITH days AS (\nSELECT\nrule, named,\n{parts[0]['firsts']}\nFROM {parts[0]['table']}\n"  # noqa: S608
        f"CROSS JOIN UNNEST(ARRAY[{names}], ARRAY[\n{values}\n]) AS met (rule, named)\n"
        f"WHERE ${{history_window}} AND (\n{any_rule}\n) AND named IS NOT NULL\nGROUP BY rule, named\n),\n"
        "known AS (SELECT *, min(first_time) OVER (PARTITION BY rule) AS history_begins FROM days)\n"
        f"SELECT rule, first_time AS event_time, named AS subject,\n{parts[0]['shown']}"
    )


def _parts(pattern: re.Pattern[str], rules: Sequence[Rule]) -> list[re.Match[str]]:
    return [match for rule in rules if (match := pattern.fullmatch(rule.sql)) is not None]


def _values(deployment: Deployment, period: Period, history: timedelta) -> dict[str, str]:
    """What the placeholders of rules stand for: SQL expressions, each text within quotes."""
    missing = [role for role in _OWN_ROLES if role not in deployment.roles]
    if missing:
        raise UsageError("The deployment file is of an older version of the kit.", "Run make apply again.")
    since, until, before = _moment(period.since), _moment(period.until), _moment(period.since - history)
    since_day, last_day = _day(period.since), _day(period.until + LATEST_DELIVERY)
    trails = {deployment.trail_arn, deployment.management_trail_arn or deployment.trail_arn}
    names = {arn.rpartition("/")[2] for arn in trails}
    signs = {
        kind: [key.arn for key in deployment.signing_keys if key.signs == kind]
        for kind in ("log", "receipts")
    }
    return {
        "expected_files": _expected_files(deployment.expected_files),
        "history": before,
        "history_day": _day(period.since - history),
        "history_window": f"event_date BETWEEN {_day(period.since - history)} AND {last_day} "
        f"AND event_time >= {before} AND event_time < {until}",
        "is_older_than_adoption": " OR ".join(map(_older, sorted(deployment.adopted_since.items())))
        or _NEVER,
        "is_deployer": _is_deployer(deployment.deployer_arns),
        "is_trusted": _is_trusted(deployment.trusted_networks),
        "is_untimely": " OR ".join(map(_untimely, deployment.signing_keys)) or _NEVER,
        "keys": _texts({*deployment.keys.values(), *(key.arn for key in deployment.signing_keys)}),
        "last_day": last_day,
        "log_keys": _texts(signs["log"]),
        "prefix": _text(f"{deployment.name}-"),
        "receipt_keys": _texts(signs["receipts"]),
        "recorder_roles": _texts(
            deployment.roles[short] for short in _RECORDER_ROLES if short in deployment.roles
        ),
        "sealer_role": _text(deployment.roles["sealer"]),
        "service_roles": _texts(
            arn for short, arn in deployment.roles.items() if not short.startswith("people-")
        ),
        "since": since,
        "trails": _texts(trails | names),
        "until": until,
        "watermark_minutes": str(deployment.watermark_minutes),
        "window": f"event_date BETWEEN {since_day} AND {last_day} "
        f"AND event_time >= {since} AND event_time < {until}",
    }


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _texts(values: Iterable[str]) -> str:
    """A list for IN, never empty."""
    return ", ".join(map(_text, sorted(set(values)))) or "''"


def _moment(at: datetime) -> str:
    utc = at.astimezone(UTC).replace(tzinfo=None)
    return f"TIMESTAMP '{utc.isoformat(sep=' ', timespec='milliseconds')}'"


def _day(at: datetime) -> str:
    return f"DATE '{at.astimezone(UTC).date().isoformat()}'"


def _untimely(key: SigningKey) -> str:
    outside = [f"event_time < {_moment(parse_time(key.valid_from))}"]
    if key.valid_until:  # what a recorder had begun in time, it still signs
        outside.append(f"event_time >= {_moment(parse_time(key.valid_until) + RECORDING_TIME)}")
    if key.revoked_at:
        outside.append(f"event_time >= {_moment(parse_time(key.revoked_at))}")
    return f"(subject = {_text(key.arn)} AND ({' OR '.join(outside)}))"


def _older(adopted: tuple[str, datetime]) -> str:
    bucket, since = adopted  # last_modified is by Amazon S3; event_time may be what a message said
    return f"(bucket_name = {_text(bucket)} AND last_modified < {_moment(since)})"


def _is_deployer(arns: Sequence[str]) -> str:
    """The condition on ``role_arn`` and ``principal``; without ARNs, nobody is known to deploy."""
    if not arns:
        return _NEVER
    patterns = "|".join(map(_role_pattern, sorted(arns)))
    return f"regexp_like(coalesce(role_arn, principal, ''), {_text(f'^({patterns})$')})"


def _role_pattern(arn: str) -> str:
    """``*`` is any text; at the end it is what AWS IAM Identity Center adds to a permission set's name."""
    return re.sub(r"\.\*$", "[0-9a-f]{16}", ".*".join(map(re.escape, arn.split("*"))))


def _is_trusted(networks: Sequence[str]) -> str:
    """The condition on ``source_ip``; without networks, every address is trusted."""
    return " OR ".join(_begins_with(part) for one in networks for part in _whole_octets(one)) or "true"


def _whole_octets(network: str) -> Iterator[IPv4Network]:
    """Split a network into ones whose addresses share whole octets: 128 at most."""
    whole = IPv4Network(network)
    return whole.subnets(new_prefix=-(-whole.prefixlen // 8) * 8)


def _begins_with(network: IPv4Network) -> str:
    octets = str(network.network_address).split(".")[: network.prefixlen // 8]
    if len(octets) == 4:
        return f"source_ip = {_text('.'.join(octets))}"
    return f"starts_with(source_ip, {_text(''.join(f'{octet}.' for octet in octets))})"


def _expected_files(expected: dict[str, int]) -> str:
    rows = [f"({_text(prefix)}, {hours})" for prefix, hours in sorted(expected.items())]
    return "VALUES " + (", ".join(rows) or "('', 0)")
