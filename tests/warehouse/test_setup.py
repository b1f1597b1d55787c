"""What administrators run: what the local Snowflake runs is run, the rest is parsed as Snowflake's SQL."""

from __future__ import annotations

from pathlib import Path

from sqlglot import exp

from custody.warehouse.anomalies import queries
from custody.warehouse.setup import setup_statements
from scripts.local_warehouse import CANNOT_RUN, ELSEWHERE, parse, runs_here
from tests.warehouse.gold_files import Lake, contract, opened


def test_every_statement_runs_or_parses(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    statements = setup_statements(lake.settings, [contract(), contract(by="day", table="by_day")])
    ran = 0
    with opened(lake, tmp_path / "snowflake") as session:
        for statement in statements:
            parse(statement)
            if runs_here(statement):
                session.run(statement)
                ran += 1

    kinds = [kind for kind in (*CANNOT_RUN, *ELSEWHERE) if any(kind in statement for statement in statements)]
    assert kinds == [*CANNOT_RUN, *ELSEWHERE]
    assert ran == 2 + 2 + 2 * 1 + len(queries())


def test_what_cannot_run_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "warehouse.md").read_text()

    assert [kind for kind in CANNOT_RUN if f"`{kind}`" not in page] == []


def test_the_owner_of_the_views_may_run_their_queries(tmp_path: Path) -> None:
    """It has ``ACCOUNT_USAGE`` by two database roles; our own tables it is granted one by one."""
    statements = setup_statements(Lake(tmp_path).settings, [])
    to_it = [words for words in map(str.split, statements) if words[-1] == "CUSTODY_TEST_MONITOR"]
    assert {words[3] for words in to_it if words[1] == "USAGE"} == {"WAREHOUSE", "DATABASE", "SCHEMA"}
    granted = {words[4] for words in to_it if words[1] == "SELECT"}
    asked = set()
    for query in queries().values():
        tables = parse(query.rule.sql.replace("${name}", "CUSTODY_TEST")).find_all(exp.Table)
        asked |= {table.name.upper() for table in tables if table.db.upper() == "GOLD"}
    assert asked == {"CUSTODY_LOADS"} <= granted
    to_loader = {words[4] for words in map(str.split, statements) if words[1:4] == ["SELECT", "ON", "VIEW"]}
    assert to_loader == {f"CUSTODY_TEST.MONITOR.{query.view}" for query in queries().values()}
