"""A version of a gold table is loaded only if its files have valid, sealed receipts and their bytes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from deltalake import DeltaTable

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.log.checkpoint import parse_checkpoint
from custody.log.note import parse_note
from custody.log.store import LogStore
from custody.log.tiles import CHECKPOINT
from custody.log.tree import Tree
from custody.warehouse.gold import GoldReader
from tests.support.evidence import World, worlds
from tests.warehouse.gold_files import contract
from tests.warehouse.made_lake import MadeLake

ROWS = [{"id": "a", "amount": 1}, {"id": "b", "amount": 2}]


@pytest.fixture(scope="module")
def make_world() -> Iterator[Callable[[], World]]:
    with worlds() as make:
        yield make


@pytest.fixture
def made(make_world: Callable[[], World], tmp_path: Path) -> MadeLake:
    return MadeLake(make_world(), tmp_path)


def reader(made: MadeLake) -> GoldReader:
    return GoldReader(made.world.s3, made.deployment)


def test_files_have_what_vouches_for_them(made: MadeLake) -> None:
    made.make([{"id": "old", "amount": 0}])
    number = made.make(ROWS)

    gold = reader(made).newest("visits")

    (file,) = gold.files
    assert (gold.version, gold.rows, gold.contract) == (number, 2, made.contract)
    assert file.proven.version in made.data_files()
    body = made.world.read(made.bucket, file.proven.version.key)
    assert file.proven.sha256 == sha256(body).hexdigest()
    assert file.path == file.proven.version.key.removeprefix("tables/")
    assert file.proven.receipt == f"s3://{made.world.provenance}/{file.proven.version.receipt_key}"
    log = LogStore(made.world.s3, made.world.provenance)
    size = parse_checkpoint(parse_note(log.fetch(CHECKPOINT)).text).size
    entry = Tree(log.fetch, size).entries(0)[file.proven.leaf_index]
    assert entry == made.world.read(made.world.provenance, file.proven.version.receipt_key)
    reader(made).require_bytes(gold.files)
    reader(made).require_unchanged("visits", gold.files)


def test_days_are_those_of_the_log(make_world: Callable[[], World], tmp_path: Path) -> None:
    made = MadeLake(make_world(), tmp_path, by="day")
    made.make([{"day": dt.date(2026, 1, day), "id": "a", "amount": day} for day in (1, 2)])

    gold = reader(made).newest("visits")

    assert sorted((file.day, file.rows) for file in gold.files) == [("2026-01-01", 1), ("2026-01-02", 1)]
    assert all(f"day={file.day}/" in file.path for file in gold.files)


def test_receipt_that_is_not_in_the_log_yet_is_waited_for(made: MadeLake) -> None:
    made.make(ROWS, seal=False)

    with pytest.raises(CannotCheckError, match="is not in the log yet"):
        reader(made).newest("visits")


def test_file_without_a_receipt_is_waited_for_and_then_refused(made: MadeLake) -> None:
    made.make(ROWS)
    (file,) = made.data_files()
    receipt = made.world.receipt_of(file)
    made.world.s3.delete_object(Bucket=receipt.bucket, Key=receipt.key, VersionId=receipt.version_id)

    with pytest.raises(CannotCheckError, match="has no receipt yet"):
        reader(made).newest("visits")


def test_receipt_that_was_changed_is_refused(made: MadeLake) -> None:
    made.make(ROWS)
    (file,) = made.data_files()
    receipt = made.world.receipt_of(file)
    body = made.world.read(receipt.bucket, receipt.key)
    made.world.tamper(receipt, body.replace(b'"sig":"', b'"sig":"A', 1))

    with pytest.raises(EvidenceError, match="does not hold"):
        reader(made).newest("visits")


def test_bytes_that_are_not_those_of_the_receipt_are_refused(made: MadeLake) -> None:
    made.make(ROWS)
    gold = reader(made).newest("visits")
    (file,) = made.data_files()
    body = made.world.read(file.bucket, file.key)
    made.world.tamper(file, body[:-1] + bytes([body[-1] ^ 1]))

    with pytest.raises(EvidenceError, match=r"has the SHA-256 .* its receipt says"):
        reader(made).require_bytes(gold.files)


def test_log_that_was_overwritten_is_refused(made: MadeLake) -> None:
    """It says which data files the version has: an old one's, say, whose receipts are valid, too."""
    made.make([{"id": "old", "amount": 0}])
    made.make(ROWS)
    first, second = (made.versions[f"tables/visits/_delta_log/{number:020d}.json"] for number in (0, 1))
    made.world.put(second.key, made.world.read(first.bucket, first.key), second.bucket)

    with pytest.raises(EvidenceError, match="was overwritten or deleted"):
        reader(made).newest("visits")


def test_log_without_the_bytes_of_its_receipt_is_refused(made: MadeLake) -> None:
    made.make(ROWS)
    commit = made.versions[f"tables/visits/_delta_log/{0:020d}.json"]
    made.world.tamper(
        commit, made.world.read(commit.bucket, commit.key).replace(b"numRecords", b"numrecords")
    )

    with pytest.raises(EvidenceError, match="does not have the bytes of its receipt"):
        reader(made).newest("visits")


def test_log_without_a_receipt_is_waited_for(made: MadeLake) -> None:
    made.make(ROWS)
    receipt = made.world.receipt_of(made.versions[f"tables/visits/_delta_log/{0:020d}.json"])
    made.world.s3.delete_object(Bucket=receipt.bucket, Key=receipt.key, VersionId=receipt.version_id)

    with pytest.raises(CannotCheckError, match="has no receipt yet"):
        reader(made).newest("visits")


def test_version_is_read_from_its_newest_checkpoint(made: MadeLake) -> None:
    for number in range(3):
        made.make([{"id": f"{number}", "amount": number}])
    DeltaTable(str(made.folder)).create_checkpoint()
    made.make(ROWS)
    for number in range(2):  # as Delta cleans up
        made.world.s3.delete_object(Bucket=made.bucket, Key=f"tables/visits/_delta_log/{number:020d}.json")

    assert reader(made).newest("visits").rows == 2


def test_version_with_other_rows_than_its_document_says_is_refused(made: MadeLake) -> None:
    made.make(ROWS, outputs=[{"table": made.lake.uri("visits", "analytics"), "delta_version": 0, "rows": 3}])

    with pytest.raises(EvidenceError, match="has 2 rows, its lineage document 3"):
        reader(made).newest("visits")


def test_what_is_no_file_of_the_log_is_left_alone(made: MadeLake) -> None:
    made.make(ROWS)
    for name in ("", "..", "_last_checkpoint", "a" * 900, f"{0:020d}.json/../../x"):
        made.world.s3.put_object(Bucket=made.bucket, Key=f"tables/visits/_delta_log/{name}", Body=b"{")

    assert reader(made).newest("visits").rows == 2


@pytest.mark.parametrize("deleted", [False, True])
def test_file_that_was_overwritten_or_deleted_is_refused(made: MadeLake, *, deleted: bool) -> None:
    made.make(ROWS)
    gold = reader(made).newest("visits")
    (file,) = made.data_files()
    if deleted:
        made.world.s3.delete_object(Bucket=file.bucket, Key=file.key)
    else:
        made.world.drop(file.key, b"other", file.bucket)

    for check in (
        lambda: reader(made).require_unchanged("visits", gold.files),
        lambda: reader(made).newest("visits"),
    ):
        with pytest.raises(EvidenceError, match="was overwritten or deleted"):
            check()


def test_version_of_another_contract_is_refused(made: MadeLake) -> None:
    made.make(ROWS)
    made.deploy(contract(meaning="Another."))

    with pytest.raises(CannotCheckError, match="was made by another contract"):
        reader(made).newest("visits")


def test_version_without_a_document_is_not_loaded(made: MadeLake) -> None:
    with pytest.raises(UsageError, match="has no version with a lineage document"):
        reader(made).newest("visits")


@pytest.mark.parametrize("table", ["arrivals", "nothing", "../visits", "visits'; --"])
def test_only_gold_is_loaded(made: MadeLake, table: str) -> None:
    with pytest.raises(UsageError, match="There is no gold table"):
        reader(made).newest(table)
