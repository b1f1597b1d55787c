"""The SQL uses only functions with the same meaning in Athena and in the local engine.

Each name below is a function of Athena engine version 3 (Trino's "Functions and operators"), and the kit's
statements avoid the cases in which DuckDB's function differs. Other functions are not known to be safe.
"""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlglot import exp
from sqlglot.tokenizer_core import TokenType
from sqlglot.tokens import Tokenizer

from custody.ledger.rules import Period, all_rules, question
from scripts.local_aws.athena.planned import PlannedTable
from tests.sql import statements
from tests.support.normal_life import DEPLOYMENT, START

ALLOWED = frozenset(
    {
        "abs",
        "array_join",
        "avg",
        "cardinality",
        "cast",
        "coalesce",
        "concat",
        "concat_ws",  # of texts, of which NULLs are left out
        "count",
        "count_if",
        "date_add",
        "date_diff",  # in seconds and less, where elapsed time and boundaries passed are as good as the same
        "date_trunc",
        "element_at",
        "filter",
        "from_iso8601_timestamp",
        "json_extract_scalar",  # of values that are never objects
        "lag",
        "lower",
        "lpad",
        "max",
        "min",
        "min_by",
        "nullif",
        "regexp_extract",  # within nullif(…, ''): no match is NULL in Athena and '' in DuckDB
        "regexp_like",
        "regexp_replace",
        "replace",
        "row_number",
        "split",
        "starts_with",
        "strpos",
        "sum",
        "substr",  # from the first character, of no negative length
        "transform",
        "try",
        "try_cast",
    }
)
OURS = statements.names("views") + statements.names("reports")
STATEMENTS = OURS + statements.names("anomalies")
GRAMMAR = frozenset(
    {
        "and",
        "as",
        "by",
        "exists",
        "from",
        "in",
        "not",
        "on",
        "or",
        "over",
        "unnest",
        "values",
        "when",
        "where",
    }
)


@pytest.fixture(scope="session")
def deployed(planned_tables: dict[str, PlannedTable], reports: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Every statement that is run, as deployed, by name."""
    views = {
        name: statements.view_document(planned_tables[name])["originalSql"]
        for name in statements.names("views")
    }
    period = Period(START, START + timedelta(days=1))
    asked = {rule.name: question((rule,), DEPLOYMENT, period).sql for rule in all_rules().values()}
    return views | {name: report["query"] for name, report in reports.items()} | asked


def functions(sql: str) -> set[str]:
    """The words before an opening bracket that are neither grammar nor names of lists of columns."""
    tokens = Tokenizer().tokenize(sql)
    before_brackets = {
        word.text.lower()
        for word, bracket in itertools.pairwise(tokens)
        if bracket.token_type is TokenType.L_PAREN and word.text.replace("_", "").isalnum()
    }
    named = {alias.name for alias in statements.parsed(sql).find_all(exp.TableAlias) if alias.columns}
    return before_brackets - GRAMMAR - named


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_uses_allowed_functions_only(deployed: dict[str, str], name: str) -> None:
    assert functions(deployed[name]) <= ALLOWED


def test_no_function_is_allowed_that_nothing_uses(deployed: dict[str, str]) -> None:
    used = set().union(*map(functions, deployed.values()))

    assert used == ALLOWED


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_match_that_fails_is_null(deployed: dict[str, str], name: str) -> None:
    for call in statements.parsed(deployed[name]).find_all(exp.RegexpExtract):
        assert isinstance(call.parent, exp.Nullif)


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_divides(deployed: dict[str, str], name: str) -> None:
    """5 / 2 is 2 in Athena and 2.5 in DuckDB."""
    assert not list(statements.parsed(deployed[name]).find_all(exp.Div, exp.IntDiv))


@pytest.mark.parametrize("name", OURS)
def test_joins_are_equalities_that_hash(deployed: dict[str, str], name: str) -> None:
    """Millions of objects: a join without an equality between its sides compares each with each.

    The few constants of the ledger's list of identifiers are not many.
    """
    for join in statements.parsed(deployed[name]).find_all(exp.Join):
        if join.this.name == "identifiers":
            continue
        on = join.args.get("on")
        conditions = list(on.flatten()) if isinstance(on, exp.And) else [on]
        assert any(
            isinstance(condition, exp.EQ)
            and len({column.table for column in condition.find_all(exp.Column)}) == 2
            for condition in conditions
        ), join.sql()
