"""Loading a version of a gold table: afterwards, the target has exactly the rows of its data files.

A load brings the target from whatever data files its rows come from to those of the version: it copies files
that are not there yet, merges their rows by key, and deletes rows of files that are not in the version. It
goes by the target itself, not by what the engine remembers of files it has loaded (``FORCE``), and changes
target and history in one transaction, which ends with a count of the rows of each file. Wherever a load is
killed, nothing of it is there, or all; the next one does the rest. Files are staged in temporary tables,
which go with their session.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.warehouse.connection import SCHEMA, Session
from custody.warehouse.gold import GoldFile, GoldVersion
from custody.warehouse.sql import holds, identifier, identifiers, staged_file
from custody.warehouse.tables import FILES, LOADS, OBJECT, STAGE, Target

STAGED, VERSION = "CUSTODY_STAGED", "CUSTODY_VERSION"
"""Temporary tables: the rows of the files that are copied, and all files of the version."""
STAGED_FILE = "CUSTODY_FILE"
_SET_UP = "Run what custody warehouse setup prints: docs/warehouse.md."
FILES_AT_ONCE = 1000
"""The most that COPY INTO takes by name."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did."""

    table: str
    version: int
    rows: int
    """Rows in the target now."""
    files: int
    """Files that they come from."""
    copied: int
    """Files that were copied; none if the version was there already."""

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON."""
        names = ("table", "version", "rows", "files", "copied")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Checks:
    """What the caller checks of the objects."""

    before: Callable[[Collection[GoldFile]], None] = lambda files: None
    """Of the files that will be copied."""
    after: Callable[[], None] = lambda: None
    """Once they are copied, before anything in the target changes."""


def load(
    session: Session, gold: GoldVersion, checks: Checks, tell: Callable[[str], None] = lambda words: None
) -> Loaded:
    """Load a version, unless it is there.

    Raises ``UsageError`` if the target has a newer version or other columns, ``EvidenceError`` if its files
    do not have as many rows as were loaded, or would not be the version's, and ``CannotCheckError`` if
    Snowflake refuses something; nothing has changed then.
    """
    target = Target(gold.contract)
    wanted = {file.proven.version.uri: file.rows for file in gold.files if file.rows}
    require_columns(session, target)
    there = _rows_by_file(session, target)
    newest = _newest(session, target)
    if newest is not None and newest > gold.version:
        raise UsageError(f"{target.name} has version {newest} already, which is newer than {gold.version}.")
    if newest == gold.version:
        if there != wanted:
            raise EvidenceError(
                f"{target.name} does not have the rows that were loaded of version {newest}: "
                "somebody changed it.",
                "Find out who with sql/warehouse/access_history.sql; see the runbook.",
            )
        return Loaded(target.name, newest, gold.rows, len(gold.files), 0)
    new = [file for file in gold.files if file.rows and file.proven.version.uri not in there]
    checks.before(new)
    tell(f"Copying {len(new):,} files")
    staged = stage(session, target, new)
    _name_files(session, gold, staged)
    _require_unique(session, target)
    checks.after()
    tell("Merging")
    with session.transaction():
        _claim(session, target, gold)
        _merge(session, target, gold)
        if (found := _rows_by_file(session, target)) != wanted:
            odd = sorted(uri for uri in found.keys() | wanted.keys() if found.get(uri) != wanted.get(uri))
            raise EvidenceError(
                f"{target.name} would have {found.get(odd[0], 0)} rows of {odd[0]}, which has "
                f"{wanted.get(odd[0], 0)}. Nothing was loaded."
            )
    return Loaded(target.name, gold.version, gold.rows, len(gold.files), len(new))


def require_columns(session: Session, target: Target) -> None:
    """Raise ``UsageError`` if the target does not have the contract's columns.

    Snowflake rounds a number to the scale of its column, and says nothing.
    """
    rows = session.run(
        "SELECT column_name, data_type, numeric_precision, numeric_scale FROM INFORMATION_SCHEMA.COLUMNS "
        "WHERE table_schema = ? AND table_name = ?",
        [SCHEMA, target.name],
    )
    there = {str(name): (str(kind), *numbers) for name, kind, *numbers in rows}
    if not there:
        raise UsageError(
            f"There is no table {target.name} in the warehouse that the loader may read.", _SET_UP
        )
    for name, kind in {**target.columns, OBJECT: "VARCHAR"}.items():
        if name not in there:
            raise UsageError(f"{target.name} has no column {name} in the warehouse.", _SET_UP)
        if not holds(kind, *there[name]):
            found, digits, places = there[name]
            size = "" if digits is None else f"({digits},{places})"
            raise UsageError(
                f"The column {name} of {target.name} is {found[:80]}{size} in the warehouse, by the contract "
                f"{kind}.",
                "The owner of the schema changes it: docs/warehouse.md.",
            )


def _rows_by_file(session: Session, target: Target) -> dict[str, int]:
    """The number of rows in the target of each file."""
    column = identifier(OBJECT)
    rows = session.run(f"SELECT {column}, COUNT(*) FROM {identifier(target.name)} GROUP BY {column}")
    return {str(uri): int(count) for uri, count in rows}


def _newest(session: Session, target: Target) -> int | None:
    """The newest version that was loaded."""
    rows = session.run(
        f"SELECT MAX(delta_version) FROM {identifier(LOADS)} WHERE table_name = ?",
        [target.name],
    )
    return None if rows[0][0] is None else int(rows[0][0])


def stage(session: Session, target: Target, files: list[GoldFile]) -> dict[str, str]:
    """Copy the files into a temporary table; by path, what the engine calls each.

    Raises ``EvidenceError`` if not all of their rows came.
    """
    columns = [
        f"{identifier(name)} {kind}" for name, kind in target.columns.items() if name != target.partition
    ]
    session.run(
        f"CREATE OR REPLACE TEMPORARY TABLE {identifier(STAGED)} "
        f"({', '.join([*columns, f'{identifier(STAGED_FILE)} VARCHAR'])})"
    )
    for start in range(0, len(files), FILES_AT_ONCE):
        names = ", ".join(staged_file(file.path) for file in files[start : start + FILES_AT_ONCE])
        session.run(
            f"COPY INTO {identifier(STAGED)} FROM @{identifier(STAGE)} FILES = ({names}) "
            "FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE) "
            "MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE "
            f"INCLUDE_METADATA = ({identifier(STAGED_FILE)} = METADATA$FILENAME) "
            "FORCE = TRUE ON_ERROR = ABORT_STATEMENT"
        )
    found = session.run(
        f"SELECT {identifier(STAGED_FILE)}, COUNT(*) FROM {identifier(STAGED)} "
        f"GROUP BY {identifier(STAGED_FILE)}"
    )
    depths = {file.path.count("/") + 1 for file in files}
    by_path: dict[str, list[tuple[str, int]]] = {}
    for name, count in found:  # a full path, of which the stage's part is not known
        for depth in depths:
            path = "/".join(str(name).split("/")[-depth:])
            by_path.setdefault(path, []).append((str(name), int(count)))
    staged = {}
    for file in files:
        names_of_it = by_path.get(file.path, [])
        if [count for _, count in names_of_it] != [file.rows]:
            copied = sum(count for _, count in names_of_it)
            uri = file.proven.version.uri
            raise EvidenceError(f"Of {uri} {copied} rows were copied, not {file.rows}. Nothing was loaded.")
        staged[file.path] = names_of_it[0][0]
    return staged


def _name_files(session: Session, gold: GoldVersion, staged: dict[str, str]) -> None:
    """Put what is known of the version's files beside their rows."""
    session.run(
        f"CREATE OR REPLACE TEMPORARY TABLE {identifier(VERSION)} (staged_file VARCHAR, object VARCHAR, "
        "sha256 VARCHAR, leaf_index NUMBER(19,0), receipt VARCHAR, row_count NUMBER(19,0), day VARCHAR)"
    )
    rows = [
        (
            staged.get(file.path),
            file.proven.version.uri,
            file.proven.sha256,
            file.proven.leaf_index,
            file.proven.receipt,
            file.rows,
            file.day,
        )
        for file in gold.files
    ]
    if rows:
        session.run_many(f"INSERT INTO {identifier(VERSION)} VALUES (?, ?, ?, ?, ?, ?, ?)", rows)


def _source(target: Target) -> str:
    """The rows that were copied, with what their files do not hold."""
    columns = [
        f"f.day::{kind} AS {identifier(name)}" if name == target.partition else f"r.{identifier(name)}"
        for name, kind in target.columns.items()
    ]
    return (
        f"SELECT {', '.join(columns)}, f.object AS {identifier(OBJECT)} FROM {identifier(STAGED)} AS r "
        f"JOIN {identifier(VERSION)} AS f ON r.{identifier(STAGED_FILE)} = f.staged_file"
    )


def _require_unique(session: Session, target: Target) -> None:
    """Raise ``EvidenceError`` if two of the rows that were copied have one key: MERGE would insert both."""
    key = identifiers(target.key)
    rows = session.run(
        f"SELECT COUNT(*) FROM (SELECT {key} FROM ({_source(target)}) AS s "
        f"GROUP BY {key} HAVING COUNT(*) > 1) AS d"
    )
    if rows[0][0]:
        raise EvidenceError(
            f"The data files of {target.name} have {rows[0][0]} keys more than once. Nothing was loaded."
        )


def _claim(session: Session, target: Target, gold: GoldVersion) -> None:
    """Enter the version into the history, unless it or a newer one is there.

    MERGE locks the history until the transaction ends: of two loaders, the second waits here. A statement
    sees what was committed before it began (https://docs.snowflake.com/en/sql-reference/transactions), so
    that the one after the MERGE sees the first loader's entry even if the MERGE that waited did not.
    Raises ``CannotCheckError`` if another loader was quicker.
    """
    load_id = str(uuid.uuid4())
    history = identifier(LOADS)
    session.run(
        f"MERGE INTO {history} AS h USING (SELECT ? AS table_name, ? AS delta_version, "
        "? AS load_id, ? AS document, ? AS document_sha256, ? AS contract_sha256, "
        "? AS row_count) AS s "
        "ON h.table_name = s.table_name AND h.delta_version >= s.delta_version "
        "WHEN NOT MATCHED THEN INSERT (table_name, delta_version, load_id, document, document_sha256, "
        "contract_sha256, row_count, loaded_at) VALUES (s.table_name, s.delta_version, s.load_id, "
        "s.document, s.document_sha256, s.contract_sha256, s.row_count, CURRENT_TIMESTAMP())",
        [
            target.name,
            gold.version,
            load_id,
            gold.document,
            gold.document_sha256,
            gold.contract.sha256,
            gold.rows,
        ],
    )
    taken = session.run(
        f"SELECT load_id FROM {history} WHERE table_name = ? AND delta_version >= ?",
        [target.name, gold.version],
    )
    if taken != [(load_id,)]:
        raise CannotCheckError(f"Another load of {target.name} was quicker. Nothing was loaded.")


def _merge(session: Session, target: Target, gold: GoldVersion) -> None:
    """Make the target's rows those of the version, and enter its new files into the history."""
    table, files = identifier(target.name), identifier(VERSION)
    key, columns = [*map(identifier, target.key)], [*target.columns, OBJECT]
    session.run(
        f"MERGE INTO {table} AS t USING ({_source(target)}) AS s "
        f"ON {' AND '.join(f't.{name} = s.{name}' for name in key)} "
        f"WHEN MATCHED THEN UPDATE SET "
        f"{', '.join(f't.{name} = s.{name}' for name in map(identifier, columns) if name not in key)} "
        f"WHEN NOT MATCHED THEN INSERT ({identifiers(columns)}) "
        f"VALUES ({', '.join(f's.{name}' for name in map(identifier, columns))})"
    )
    session.run(f"DELETE FROM {table} WHERE {identifier(OBJECT)} NOT IN (SELECT object FROM {files})")
    session.run(
        f"MERGE INTO {identifier(FILES)} AS h USING (SELECT ? AS table_name, "
        f"? AS delta_version, object, sha256, leaf_index, receipt, row_count "
        f"FROM {files}) AS s ON h.table_name = s.table_name AND h.object = s.object "
        "WHEN NOT MATCHED THEN INSERT (table_name, delta_version, object, sha256, leaf_index, receipt, "
        "row_count, loaded_at) VALUES (s.table_name, s.delta_version, s.object, s.sha256, s.leaf_index, "
        "s.receipt, s.row_count, CURRENT_TIMESTAMP())",
        [target.name, gold.version],
    )
