"""``custody anomalies``: which rules are asked about which period, and what they found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from custody.cli import EXIT_CANNOT_CHECK
from custody.cli.options import Format, Run
from custody.cli.tables import plural, print_anomaly
from custody.errors import UsageError
from custody.ledger.anomalies import Found, find_anomalies
from custody.ledger.ledger import parse_moment
from custody.ledger.rules import Period, Rule, all_rules
from custody.terminal import visible
from custody.times import format_time

DEFAULT_PERIOD = timedelta(days=1)


def run_anomalies(run: Run, since: str | None, until: str | None, names: Sequence[str]) -> int:
    """Ask the rules, print what they found, and return the exit status."""
    now = datetime.now(UTC)
    rules, period = _choose(names), asked_period(since, until, now, now)
    with run.progress("Asking the rules with Athena") as tell:
        found = find_anomalies(run.athena(tell), run.deployment, period, rules, on_progress=tell)
    return tell_found(run, found, period, [rule.name for rule in rules])


def tell_found(run: Run, found: Found, period: Period, rules: Sequence[str]) -> int:
    """Print what these rules found, and return the exit status."""
    if run.format is Format.JSON:
        run.write_json(
            {
                "since": format_time(period.since),
                "until": format_time(period.until),
                "rules": rules,
                "findings": [one.to_dict() for one in found.anomalies],
                "unchecked": found.unasked,
            }
        )
    else:
        for one in found.anomalies:
            print_anomaly(run, one)
        for name, words in found.unasked.items():
            run.say(f"Could not be checked: {name}: {words}", style="yellow")
        run.say(
            f"{plural(len(rules), 'rule')}, {format_time(period.since)} to {format_time(period.until)}: "
            f"{plural(len(found.anomalies), 'finding')}."
        )
    return 1 if found.anomalies else EXIT_CANNOT_CHECK if found.unasked else 0


def _choose(names: Sequence[str]) -> list[Rule]:
    known = all_rules()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(
            f"There is no rule {visible(unknown[0][:80])}.", f"The rules are {', '.join(known)}."
        )
    return [known[name] for name in dict.fromkeys(names)] or list(known.values())


def asked_period(since: str | None, until: str | None, now: datetime, newest: datetime) -> Period:
    """The period of two options, which ends at ``newest`` if nobody says when. Raises ``UsageError``."""
    end = newest if until is None else parse_moment("--until", until, now)
    start = end - DEFAULT_PERIOD if since is None else parse_moment("--since", since, now)
    if start >= end:
        told = "--until" if until is not None else f"The end, {format_time(end)},"
        raise UsageError(f"{told} is not after --since.", "A day counts from its start, in UTC.")
    return Period(start, end)
