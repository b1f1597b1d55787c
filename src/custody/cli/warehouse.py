"""``custody warehouse``: what is loaded into Snowflake, and where a row there came from."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from custody.cli import EXIT_CANNOT_CHECK
from custody.cli.anomalies import asked_period, tell_found
from custody.cli.options import Format, Run
from custody.cli.tables import plural, print_lineage
from custody.errors import UsageError
from custody.ledger.anomalies import Found
from custody.ledger.rules import Period
from custody.lineage.graph import Graph
from custody.terminal import visible
from custody.warehouse.anomalies import LATE, find, message_of, queries
from custody.warehouse.connection import (
    Session,
    Settings,
    import_connector,
    open_session,
    private_key,
    settings_of,
)
from custody.warehouse.gold import GoldReader
from custody.warehouse.load import Checks, load
from custody.warehouse.proof import Proven
from custody.warehouse.setup import setup_statements
from custody.warehouse.tables import Target
from custody.warehouse.trace import MOST_OBJECTS, Trace, trace


def run_setup(run: Run) -> int:
    """Print the statements, and return the exit status."""
    settings = settings_of(run.deployment)
    reader = GoldReader(run.s3, run.deployment)
    gold = [table for table, inputs in run.deployment.tables.items() if inputs]
    statements = setup_statements(settings, [reader.contract(table) for table in gold])
    if run.format is Format.JSON:
        run.write_json({"statements": statements})
    else:
        # As it is: escaped for SQL, in which nothing is left that a terminal would interpret.
        sys.stdout.write("".join(f"{statement};\n" for statement in statements))
    return 0


def run_load(run: Run, table: str) -> int:
    """Load a table, print what was done, and return the exit status."""
    settings = _settings(run)
    with run.progress(f"Reading {table}") as tell:
        reader = GoldReader(run.s3, run.deployment, tell)
        gold = reader.newest(table)
        with _session(run, settings, f"custody warehouse load {table}@{gold.version}") as session:
            checks = Checks(reader.require_bytes, lambda: reader.require_unchanged(table, gold.files))
            loaded = load(session, gold, checks, tell)
    if run.format is Format.JSON:
        run.write_json(loaded.to_dict())
    else:
        did = f"{plural(loaded.copied, 'file')} copied" if loaded.copied else "nothing new to copy"
        run.answer(
            f"{loaded.table} has version {loaded.version}: {plural(loaded.rows, 'row')} of "
            f"{plural(loaded.files, 'file')}, {did}."
        )
    return 0


def run_trace(run: Run, table: str, key: Sequence[str]) -> int:
    """Trace a row, print the way, and return the exit status."""
    pairs = [item.partition("=") for item in key]
    values = {name: value for name, _, value in pairs}
    if len(values) != len(pairs) or not all(equals for _, equals, _ in pairs):
        raise UsageError("A row is named by its key.", "Write COLUMN=VALUE for each of its columns, once.")
    settings = _settings(run)
    with Graph() as graph:
        with run.progress("Looking for the row") as tell:
            target = Target(GoldReader(run.s3, run.deployment).contract(table))
            with _session(run, settings, f"custody warehouse trace {table}") as session:
                traced = trace(session, run.s3, run.deployment, target, values, graph=graph, tell=tell)
        if run.format is Format.JSON:
            run.stream_document(_document(traced))
        else:
            _print(run, traced)
    return traced.exit_code


def run_anomalies(run: Run, since: str | None, until: str | None) -> int:
    """Ask the queries of ``sql/warehouse``, print what they found, and return the exit status."""
    now = datetime.now(UTC)
    period = asked_period(since, until, now, now)
    return tell_found(run, _find(run, period), period, list(queries()))


def run_tell(run: Run, since: str | None, until: str | None) -> int:
    """Tell the alerts topic what the queries of ``sql/warehouse`` found, and return the exit status."""
    now = datetime.now(UTC)
    period = asked_period(since, until, now, now - LATE)
    found, sns = _find(run, period), run.client("sns")
    tell_found(run, found, period, list(queries()))  # first: a message that is refused must not hide it
    for one in found.anomalies:
        sns.publish(TopicArn=run.deployment.topic_arn, **message_of(one, run.deployment.name))
    return EXIT_CANNOT_CHECK if found.unasked else 0


def _find(run: Run, period: Period) -> Found:
    settings = _settings(run)
    with (
        run.progress("Asking Snowflake"),
        _session(run, settings, "custody warehouse anomalies") as session,
    ):
        return find(session, period)


def _settings(run: Run) -> Settings:
    """The settings, if there is a connector: to miss it must not take long."""
    settings = settings_of(run.deployment)
    import_connector()
    return settings


@contextmanager
def _session(run: Run, settings: Settings, tag: str) -> Iterator[Session]:
    with open_session(settings, private_key(run.client("secretsmanager"), settings), tag) as session:
        yield session


def _document(traced: Trace) -> dict[str, Any]:
    graph = traced.walk.graph
    return {
        "start": traced.walk.start,
        "file": _proven(traced.file) | {"delta_version": traced.version},
        "raw": map(_proven, traced.raw),
        "nodes": graph.nodes(),
        "edges": graph.edges(),
        "missing": traced.walk.missing,
        "notes": traced.walk.notes,
        "problems": traced.problems,
    }


def _proven(found: Proven) -> dict[str, Any]:
    return asdict(found) | {"version": found.version.uri}


def _print(run: Run, traced: Trace) -> None:
    run.answer(f"row   loaded from {traced.file.version.uri}")
    _print_proven(run, traced.file)
    print_lineage(run, traced.walk)
    for found in traced.raw:
        run.answer(f"raw   {found.version.uri}")
        _print_proven(run, found)
    for table, count in traced.objects.items():
        if count > MOST_OBJECTS:
            run.say(f"{visible(table)}: {MOST_OBJECTS} of {count:,} objects. custody verify checks all.")
    for problem in traced.problems:
        run.say(problem, style="bold red")


def _print_proven(run: Run, found: Proven) -> None:
    run.answer(f"      SHA-256 {found.sha256}, leaf {found.leaf_index} of the log")
    run.answer(f"      receipt {found.receipt}")
