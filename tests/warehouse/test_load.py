"""A load: the target has exactly the rows of a version's files, whatever was there, however it stopped."""

from __future__ import annotations

import datetime as dt
import random
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.warehouse.connection import Session, open_session
from custody.warehouse.gold import GoldFile
from custody.warehouse.load import Checks, load
from custody.warehouse.sql import staged_file
from tests.warehouse.gold_files import COLUMNS, Lake, contract, opened, rows_of, version

ID, AMOUNT = COLUMNS


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


@pytest.fixture
def session(lake: Lake, tmp_path: Path) -> Iterator[Session]:
    with opened(lake, tmp_path / "snowflake") as opened_session:
        yield opened_session


def expected(lake: Lake, files: Sequence[GoldFile]) -> dict[str, tuple[Any, str]]:
    found = {}
    for file in files:
        for row in pa.parquet.read_table(lake.tables / file.path, partitioning=None).to_pylist():
            found[row["id"]] = (row["amount"], file.proven.version.uri)
    return found


def test_target_has_exactly_the_rows_of_each_version(lake: Lake, session: Session) -> None:
    chance = random.Random(15)
    held: dict[str, GoldFile] = {}
    for number in range(1, 6):
        for path in chance.sample(sorted(held), len(held) // 2):
            del held[path]
        taken = {id_ for file in held.values() for id_ in expected(lake, [file])}
        for leaf in range(chance.randrange(4)):
            free = sorted({f"C{n}" for n in range(60)} - taken)
            rows = [
                {"id": one, "amount": chance.choice([None, 1, -(10**17)])} for one in chance.sample(free, 5)
            ]
            taken |= {row["id"] for row in rows}
            path = f"part-{number}-{leaf}.parquet"
            held[path] = lake.file(path, rows, 10 * number + leaf)
        files = list(held.values())

        loaded = load(session, version(number, files), Checks())

        assert rows_of(session) == expected(lake, files)
        assert (loaded.version, loaded.rows, loaded.files) == (number, sum(f.rows for f in files), len(files))
        assert load(session, version(number, files), Checks()).copied == 0


def test_days_are_put_beside_the_rows_of_their_files(lake: Lake, tmp_path: Path) -> None:
    by_day = contract(by="day")
    files = [
        lake.file(f"day=2026-01-0{n}/part-0.parquet", [{"id": "a", "amount": n}], n, f"2026-01-0{n}")
        for n in (1, 2)
    ]
    with opened(lake, tmp_path / "snowflake", by_day) as session:
        load(session, version(1, files, by_day), Checks())

        rows = session.run("SELECT DAY::VARCHAR, ID, AMOUNT, CUSTODY_OBJECT FROM VISITS ORDER BY DAY")

    assert rows == [(file.day, "a", n, file.proven.version.uri) for n, file in enumerate(files, 1)]


def test_history_leads_from_a_row_to_file_hash_and_leaf(lake: Lake, session: Session) -> None:
    first = lake.file("part-0.parquet", [{"id": "a", "amount": 1}], 41)
    second = lake.file("part-1.parquet", [{"id": "b", "amount": 2}], 42)
    load(session, version(3, [first]), Checks())
    load(session, version(4, [first, second]), Checks())

    rows = session.run(
        "SELECT t.ID, f.SHA256, f.LEAF_INDEX, f.RECEIPT, f.DELTA_VERSION, f.ROW_COUNT FROM VISITS t "
        "JOIN CUSTODY_FILES f ON f.OBJECT = t.CUSTODY_OBJECT AND f.TABLE_NAME = 'VISITS' ORDER BY t.ID"
    )

    assert rows == [
        ("a", first.proven.sha256, 41, first.proven.receipt, 3, 1),
        ("b", second.proven.sha256, 42, second.proven.receipt, 4, 1),
    ]
    assert session.run("SELECT DELTA_VERSION, ROW_COUNT FROM CUSTODY_LOADS ORDER BY 1") == [(3, 1), (4, 2)]


class Dead(BaseException):
    """The loader is gone."""


class Mortal(Session):
    """A session that dies before its Nth statement."""

    def __init__(self, connection: Any, error: type[Exception], at: int) -> None:
        super().__init__(connection, error)
        self.left = at

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.left -= 1
        if self.left <= 0:  # nor can it roll back
            raise Dead
        return super().run(sql, values)


def test_load_that_dies_at_any_statement_has_done_nothing(lake: Lake, tmp_path: Path) -> None:
    files = [
        [lake.file(f"{n}.parquet", [{"id": "x", "amount": n}, {"id": f"only {n}", "amount": n}], n)]
        for n in range(40)
    ]
    with opened(lake, tmp_path / "snowflake") as living:
        load(living, version(0, files[0]), Checks())
        died = 0
        for number in range(1, 40):
            with open_session(lake.settings, b"", "test") as session:
                try:
                    load(
                        Mortal(session._connection, session._error, number),
                        version(number, files[number]),
                        Checks(),
                    )
                except Dead:
                    died += 1
            if died == number:
                assert rows_of(living) == expected(lake, files[number - 1])
                assert living.run("SELECT MAX(DELTA_VERSION) FROM CUSTODY_LOADS") == [(number - 1,)]
                load(living, version(number, files[number]), Checks())
            assert rows_of(living) == expected(lake, files[number])
            if died < number:
                break

    assert died >= 12


def test_what_the_engine_remembers_of_a_file_does_not_count(lake: Lake, session: Session) -> None:
    first = version(1, [lake.file("a.parquet", [{"id": "x", "amount": 1}], 1)])
    load(session, first, Checks())
    load(session, version(2, []), Checks())

    assert rows_of(session) == {}
    assert load(session, version(3, first.files), Checks()).copied == 1
    assert rows_of(session) == expected(lake, first.files)


def test_older_version_is_refused(lake: Lake, session: Session) -> None:
    file = lake.file("a.parquet", [{"id": "x", "amount": 1}], 1)
    load(session, version(2, [file]), Checks())

    with pytest.raises(UsageError, match="VISITS has version 2 already, which is newer than 1"):
        load(session, version(1, [file]), Checks())


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM VISITS", "INSERT INTO VISITS VALUES ('new', 1, 's3://gold/tables/visits/a.parquet')"],
)
@pytest.mark.parametrize("number", [1, 2])
def test_rows_that_somebody_changed_are_told_of(
    lake: Lake, session: Session, change: str, number: int
) -> None:
    file = lake.file("a.parquet", [{"id": "x", "amount": 1}, {"id": "y", "amount": 1}], 1)
    load(session, version(1, [file]), Checks())
    session.run(change if number == 1 else "DELETE FROM VISITS WHERE ID = 'x'")
    left = rows_of(session)

    with pytest.raises(EvidenceError):
        load(session, version(number, [file]), Checks())

    assert rows_of(session) == left


def test_file_with_fewer_rows_than_the_log_says_is_refused(lake: Lake, session: Session) -> None:
    file = lake.file("a.parquet", [{"id": "x", "amount": 1}], 1)
    wrong = GoldFile(file.path, file.proven, 2, None)

    with pytest.raises(
        EvidenceError, match=re.escape(f"Of {file.proven.version.uri} 1 rows were copied, not 2")
    ):
        load(session, version(1, [wrong]), Checks())

    assert rows_of(session) == {}


def test_key_that_two_files_have_is_refused(lake: Lake, session: Session) -> None:
    files = [lake.file(f"{n}.parquet", [{"id": "x", "amount": n}], n) for n in (1, 2)]

    with pytest.raises(EvidenceError, match="have 1 keys more than once"):
        load(session, version(1, files), Checks())

    assert rows_of(session) == {}


def test_quicker_loader_wins_and_the_other_changes_nothing(lake: Lake, session: Session) -> None:
    old = version(1, [lake.file("a.parquet", [{"id": "x", "amount": 1}], 1)])
    new = version(2, [lake.file("b.parquet", [{"id": "x", "amount": 2}], 2)])

    with pytest.raises(CannotCheckError, match="Another load of VISITS was quicker"):
        load(session, old, Checks(after=lambda: load(session, new, Checks()) and None))

    assert rows_of(session) == expected(lake, new.files)


def test_object_that_is_overwritten_while_it_is_copied_is_not_loaded(lake: Lake, session: Session) -> None:
    def overwritten() -> None:
        raise EvidenceError("It was overwritten.")

    with pytest.raises(EvidenceError, match="It was overwritten"):
        load(
            session,
            version(1, [lake.file("a.parquet", [{"id": "x", "amount": 1}])]),
            Checks(after=overwritten),
        )

    assert rows_of(session) == {}
    assert session.run("SELECT COUNT(*) FROM CUSTODY_LOADS") == [(0,)]


@pytest.mark.parametrize(
    "path", ["visits/a'b.parquet", "visits/a\\.parquet", "visits/a b", "visits/\n", "", "é"]
)
def test_file_with_a_strange_name_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="has a name that is not loaded"):
        staged_file(path)


def test_types_come_as_the_contract_has_them(tmp_path: Path, lake: Lake) -> None:
    kinds = {
        "big": ("bigint", pa.int64(), 2**62),
        "money": ("decimal(20,4)", pa.decimal128(20, 4), Decimal("-1234567890123456.7891")),
        "ratio": ("double", pa.float64(), 0.1),
        "born": ("date", pa.date32(), dt.date(1969, 7, 20)),
        "seen": ("timestamp", pa.timestamp("us", "UTC"), dt.datetime(2026, 1, 2, 3, 4, 5, 678901)),  # noqa: DTZ001 - UTC, as it comes
        "is_new": ("boolean", pa.bool_(), True),
        "raw": ("binary", pa.binary(), b"\x00\xff"),
    }
    columns = [{"name": "id", "type": "string", "required": True, "meaning": "Who."}]
    columns += [{"name": name, "type": kind, "meaning": "It."} for name, (kind, _, _) in kinds.items()]
    typed = contract(columns=columns)
    schema = pa.schema([("id", pa.string()), *((name, kind) for name, (_, kind, _) in kinds.items())])
    row = {"id": "a", **{name: value for name, (_, _, value) in kinds.items()}}
    nothing = {"id": "b", **dict.fromkeys(kinds)}
    file = lake.file("a.parquet", pa.Table.from_pylist([row, nothing], schema))
    with opened(lake, tmp_path / "snowflake", typed) as session:
        load(session, version(1, [file], typed), Checks())

        found = session.run(f"SELECT {', '.join(kinds)} FROM VISITS ORDER BY ID")

    assert [tuple(bytes(v) if isinstance(v, bytearray) else v for v in each) for each in found] == [
        tuple(value for _, _, value in kinds.values()),
        (None,) * len(kinds),
    ]


@pytest.mark.parametrize("was", ["integer", "decimal(20,2)", "decimal(18,4)", "double", "string", "date"])
def test_target_whose_columns_would_change_values_is_refused(tmp_path: Path, lake: Lake, was: str) -> None:
    """Snowflake rounds what it stores to the scale of the column."""
    typed = {kind: contract(columns=[ID, {**AMOUNT, "type": kind}]) for kind in (was, "decimal(20,4)")}
    row = {"id": "x", "amount": Decimal("1.5678")}
    schema = pa.schema([("id", pa.string()), ("amount", pa.decimal128(20, 4))])
    file = lake.file("a.parquet", pa.Table.from_pylist([row], schema), 1)
    with opened(lake, tmp_path / "other", typed[was]) as other:
        with pytest.raises(UsageError, match=r"The column AMOUNT .*, by the contract NUMBER\(20,4\)"):
            load(other, version(1, [file], typed["decimal(20,4)"]), Checks())
        assert rows_of(other) == {}


def test_target_that_lacks_a_column_or_is_not_there_is_told(lake: Lake, session: Session) -> None:
    more = contract(columns=[ID, AMOUNT, {**AMOUNT, "name": "more"}])
    with pytest.raises(UsageError, match="VISITS has no column MORE"):
        load(session, version(1, [], more), Checks())
    with pytest.raises(UsageError, match="There is no table OTHERS"):
        load(session, version(1, [], contract(table="others")), Checks())
