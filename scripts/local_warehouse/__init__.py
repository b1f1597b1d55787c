"""A Snowflake on this machine, for tests and the demonstration: fakesnow, which runs statements on DuckDB.

It keeps its databases in a folder, so that a process that is killed leaves what it has committed. What it
cannot run is ``CANNOT_RUN``; those statements are parsed only. What it does otherwise than Snowflake and a
load depends on is patched here, each patch with the behaviour that it restores.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fakesnow
import fakesnow.copy_into as fake_copy
import fakesnow.info_schema as fake_schema
import snowflake.connector
import sqlglot
from sqlglot import exp

from custody.warehouse.connection import SCHEMA, Settings

CANNOT_RUN = (
    "ALTER WAREHOUSE",
    "CREATE MASKING POLICY",
    "CREATE RESOURCE MONITOR",
    "CREATE ROLE",
    "CREATE STORAGE INTEGRATION",
    "CREATE USER",
    "CREATE WAREHOUSE",
    "GRANT",
    "USE ROLE",
)
"""How the statements begin that fakesnow does not run."""
ELSEWHERE = ("CREATE DATABASE", "CREATE SCHEMA", "CREATE STAGE", "USE SCHEMA")
"""Done by connecting, and by ``Stage``."""
_MASK = "SET MASKING POLICY"
_COMMENTS = re.compile(r"\A(?:\s*--[^\n]*\n)+")


def runs_here(statement: str) -> bool:
    """Whether fakesnow runs the statement."""
    text = _COMMENTS.sub("", statement).strip()
    return not text.startswith((*CANNOT_RUN, *ELSEWHERE)) and _MASK not in text


@contextmanager
def local_snowflake(folder: Path, settings: Settings, prepare: Iterable[str] = ()) -> Iterator[None]:
    """Let the connector reach a Snowflake in ``folder``, with a stage at ``settings.stage_url``.

    ``prepare`` is run on DuckDB first, such as the secret with which it reads Amazon S3. One process at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _patch()
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it tells of what it only keeps, such as comments
    with fakesnow.patch(db_path=folder):
        # Stages are not kept; a transaction writes into one database, so that nothing else is attached first.
        with snowflake.connector.connect(database=settings.name, schema=SCHEMA) as connection:
            for statement in prepare:
                connection._duck_conn.execute(statement)  # noqa: SLF001 - what fakesnow runs on
            connection.cursor().execute(
                f"CREATE STAGE IF NOT EXISTS CUSTODY_GOLD URL = '{settings.stage_url}'"
            )
        yield


def _patch() -> None:
    if getattr(fake_copy, "_patched_by_custody", False):
        return
    fake_copy._patched_by_custody = True
    _see_temporary_tables()
    _include_metadata()
    _merge_in_a_transaction()


def _see_temporary_tables() -> None:
    """COPY INTO copies into a temporary table of the session."""
    described = fake_copy._describe_table

    def describe(table: exp.Table, duck: Any, *where: Any) -> list[tuple[str, str]]:
        temporary = duck.execute("SELECT 1 FROM duckdb_tables() WHERE temporary AND table_name = ?", [table.name])
        if temporary.fetchone():
            return [(row[0], row[1]) for row in duck.execute(f'DESCRIBE "{table.name}"').fetchall()]
        return list(described(table, duck, *where))

    fake_copy._describe_table = describe


def _include_metadata() -> None:
    """INCLUDE_METADATA = (column = METADATA$FILENAME) puts the file's full name into a column.

    https://docs.snowflake.com/en/sql-reference/sql/copy-into-table#copy-options-copyoptions
    """
    copied: Callable[..., str] = fake_copy.copy_into
    inserts: Callable[..., list[Any]] = fake_copy._inserts
    asked: list[str] = []

    def copy_into(duck: Any, database: Any, schema: Any, expr: exp.Copy, params: Any = None) -> str:
        asked.clear()
        for param in list(expr.args.get("params", [])):
            if param.this.name.upper() == "INCLUDE_METADATA":
                expr.args["params"].remove(param)
                column, field = param.expression.this.this.name, param.expression.this.expression.name
                if field.upper() != "METADATA$FILENAME":
                    raise NotImplementedError(field)
                asked.append(column)
        return copied(duck, database, schema, expr, params)

    def with_names(expr: exp.Copy, params: Any, urls: list[str], info: Any = None) -> list[Any]:
        made = inserts(expr, params, urls, info)
        for insert, url in zip(made, urls, strict=True):
            for alias in insert.expression.expressions:
                if asked and alias.alias == asked[0]:
                    alias.set("this", exp.Literal.string(url.partition("://")[2]))
        return made

    fake_copy._inserts = with_names
    fakesnow.cursor.copy_into = copy_into


def _merge_in_a_transaction() -> None:
    """MERGE is one statement: it writes into no other database, which a transaction could not.

    And a table's comment may have quotes.
    """
    insert = fake_schema.insert_table_comment_sql

    def insert_comment(catalog: str, schema: str, table: str, comment: str | None) -> str:
        if comment is None:
            return "SELECT 1"
        return str(insert(catalog, schema, table, comment.replace("'", "''")))

    fake_schema.insert_table_comment_sql = insert_comment


def parse(statement: str) -> sqlglot.Expression:
    """Parse one statement as Snowflake's SQL. Raises sqlglot's ``ParseError``."""
    (parsed,) = sqlglot.parse(statement, read="snowflake")
    assert parsed is not None
    return parsed
