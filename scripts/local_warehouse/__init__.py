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
from importlib.resources import files
from pathlib import Path
from typing import Any

import fakesnow
import fakesnow.copy_into as fake_copy
import fakesnow.info_schema as fake_schema
import fakesnow.variables as fake_variables
import snowflake.connector
import sqlglot
from sqlglot import exp

from custody.warehouse.anomalies import SCHEMA as MONITOR
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
HISTORY = {
    "ACCESS_HISTORY": "query_id VARCHAR, query_start_time TIMESTAMP_LTZ, user_name VARCHAR, "
    "base_objects_accessed ARRAY, objects_modified ARRAY",
    "QUERY_HISTORY": "query_id VARCHAR, start_time TIMESTAMP_LTZ, user_name VARCHAR, role_name VARCHAR, "
    "warehouse_name VARCHAR, query_type VARCHAR, query_tag VARCHAR, execution_status VARCHAR, "
    "error_code VARCHAR, error_message VARCHAR, total_elapsed_time NUMBER, queued_overload_time NUMBER, "
    "transaction_blocked_time NUMBER, bytes_scanned NUMBER, bytes_spilled_to_local_storage NUMBER, "
    "bytes_spilled_to_remote_storage NUMBER, rows_inserted NUMBER, rows_updated NUMBER",
    "WAREHOUSE_METERING_HISTORY": "start_time TIMESTAMP_LTZ, warehouse_name VARCHAR, "
    "credits_used NUMBER(38,9)",
}
"""What the queries of ``sql/warehouse`` read of ``SNOWFLAKE.ACCOUNT_USAGE``; nothing here writes it.

https://docs.snowflake.com/en/sql-reference/account-usage
"""
_ROWS_AT_ONCE = 1000
_MASK = "SET MASKING POLICY"
_COMMENTS = re.compile(r"\A(?:\s*--[^\n]*\n)+")


def runs_here(statement: str) -> bool:
    """Whether fakesnow runs the statement."""
    text = _COMMENTS.sub("", statement).strip()
    return not text.startswith((*CANNOT_RUN, *ELSEWHERE)) and _MASK not in text


@contextmanager
def local_snowflake(folder: Path, settings: Settings, prepare: Iterable[str] = ()) -> Iterator[None]:
    """Let the connector reach a Snowflake in ``folder``, with a stage at ``settings.stage_url``.

    ``prepare`` is run on DuckDB first, such as ``of_amazon_s3``. For one process at a time.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _patch()
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it tells of what it only keeps, such as comments
    with fakesnow.patch(db_path=folder):
        # Stages are not kept; a transaction writes into one database, so that nothing else is attached first.
        with snowflake.connector.connect(database=settings.name, schema=SCHEMA) as connection:
            for statement in prepare:
                connection._duck_conn.execute(statement)
            connection.cursor().execute(
                f"CREATE STAGE IF NOT EXISTS CUSTODY_GOLD URL = '{settings.stage_url}'"
            )
            connection.cursor().execute(f"CREATE SCHEMA IF NOT EXISTS {MONITOR}")
        with snowflake.connector.connect(database="SNOWFLAKE", schema="ACCOUNT_USAGE") as connection:
            for table, columns in HISTORY.items():
                connection.cursor().execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
        yield


def of_amazon_s3(endpoint: str, region: str, key_id: str, key: str, token: str = "") -> list[str]:
    """What lets the stage read Amazon S3, or what answers like it at a host and port, without TLS."""
    (extension,) = Path(str(files("duckdb_extension_httpfs"))).rglob("httpfs.duckdb_extension")
    return [
        f"LOAD '{extension}'",
        f"CREATE OR REPLACE SECRET amazon_s3 (TYPE S3, KEY_ID '{key_id}', SECRET '{key}', "
        f"SESSION_TOKEN '{token}', "
        f"REGION '{region}', ENDPOINT '{endpoint}', USE_SSL false, URL_STYLE 'path')",
    ]


def _patch() -> None:
    if getattr(fake_copy, "_patched_by_custody", False):
        return
    fake_copy._patched_by_custody = True
    _see_temporary_tables()
    _include_metadata()
    _merge_in_a_transaction()
    _insert_many_at_once()
    _keep_dollars_in_quotes()


def _see_temporary_tables() -> None:
    """COPY INTO copies into a temporary table of the session."""
    described = fake_copy._describe_table

    def describe(table: exp.Table, duck: Any, *where: Any) -> list[tuple[str, str]]:
        temporary = duck.execute(
            "SELECT 1 FROM duckdb_tables() WHERE temporary AND table_name = ?", [table.name]
        )
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


def _insert_many_at_once() -> None:
    """Executemany of an INSERT is one statement with many rows, as the connector sends it; not one a row."""
    executed = fakesnow.cursor.FakeSnowflakeCursor.executemany
    values = re.compile(r"\A(INSERT INTO .+ VALUES )(\([?, ]+\))\Z", re.DOTALL)

    def executemany(cursor: Any, command: str, rows: Any, **options: Any) -> Any:
        match = values.fullmatch(command)
        if match is None:
            return executed(cursor, command, rows, **options)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            chunk = rows[start : start + _ROWS_AT_ONCE]
            cursor.execute(
                match[1] + ", ".join([match[2]] * len(chunk)), [each for row in chunk for each in row]
            )
        return cursor

    fakesnow.cursor.FakeSnowflakeCursor.executemany = executemany


def _keep_dollars_in_quotes() -> None:
    """What is in quotes is no session variable; and nothing here uses one."""
    fake_variables.Variables.inline_variables = lambda _, sql: sql


def parse(statement: str) -> Any:
    """Parse one statement as Snowflake's SQL. Raises sqlglot's ``ParseError``."""
    (parsed,) = sqlglot.parse(statement, read="snowflake")
    return parsed
