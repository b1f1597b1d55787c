"""The local AWS releases the memory of the ledger's queries: a running server does not grow."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.ledger.athena import Athena
from custody.ledger.ledger import Scope, TimeUnit, access_summary, ledger_counts, ledger_rows, ledger_timeline
from scripts.local_aws import LocalAws
from scripts.local_aws.athena.planned import PlannedCatalog, PlannedTable
from scripts.local_aws.server import running_server
from tests.local_aws.account import Account, eventually
from tests.sql.conftest import DATABASE
from tests.sql.evidence import NOON, PROVENANCE, RAW, TRAIL_LOG, get_object, put_object, receipt_of
from tests.sql.warehouse import Warehouse

OBJECTS = 1_000
EVENTS_AN_OBJECT = 20
LIMIT_MB = 450
"""It stabilises at 400; it is 508 when nothing is released."""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")


def resident_mb(pid: int) -> float:
    """The resident memory of a process and of all that descend from it."""
    total = 0.0
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        total += sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # It has ended.
        return total
    return total + sum(resident_mb(child) for child in children)


@pytest.fixture(scope="module")
def evidence() -> dict[tuple[str, str], bytes]:
    """Log files and receipts by bucket and key: of every object a receipt, many writes and a read."""
    stored = Warehouse((), DATABASE)
    for first in range(0, OBJECTS, 50):
        records = []
        for number in range(first, first + 50):
            key, at = f"incoming/{number:05d}.csv", NOON + timedelta(seconds=number)
            writes = [put_object(RAW, key, at) for _ in range(EVENTS_AN_OBJECT - 1)]
            stored.record(receipt_of(writes[0]))
            records += [*writes, get_object(RAW, key, at)]
        stored.deliver(*records)
    return stored.store.objects


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(tmp_path_factory.mktemp("aws")) as running:
        yield running


@pytest.fixture(scope="module")
def athena(
    server: LocalAws, planned_tables: dict[str, PlannedTable], evidence: dict[tuple[str, str], bytes]
) -> Athena:
    """The planned catalogue over this evidence, in the local AWS."""
    account = Account(server.endpoint)
    s3, glue, client = account.client("s3"), account.client("glue"), account.client("athena")
    for bucket in (PROVENANCE, TRAIL_LOG, "results"):
        s3.create_bucket(Bucket=bucket)
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(
            lambda each: s3.put_object(Bucket=each[0][0], Key=each[0][1], Body=each[1]), evidence.items()
        ):
            pass
    glue.create_database(DatabaseInput={"Name": DATABASE})
    catalog = PlannedCatalog(planned_tables.values())
    for name in catalog.tables(DATABASE):
        table: dict[str, Any] = dict(catalog.get_table(DATABASE, name) or {})
        del table["DatabaseName"]
        storage = {each: value for each, value in table["StorageDescriptor"].items() if value is not None}
        if not storage["SerdeInfo"]["SerializationLibrary"]:  # A view has no location.
            del storage["SerdeInfo"]
        glue.create_table(DatabaseName=DATABASE, TableInput={**table, "StorageDescriptor": storage})
    client.create_work_group(
        Name="ledger", Configuration={"ResultConfiguration": {"OutputLocation": "s3://results/"}}
    )
    return Athena(client, workgroup="ledger", database=DATABASE)


def test_the_server_gives_back_what_the_ledgers_questions_took(server: LocalAws, athena: Athena) -> None:
    """What a report and a show ask; the last of it takes most."""
    written = OBJECTS * (EVENTS_AN_OBJECT - 1)

    assert sum(summary.rows for summary in access_summary(athena)) == OBJECTS
    assert sum(count.rows for count in ledger_counts(athena)) == written
    assert sum(count.rows for count in ledger_timeline(athena, TimeUnit.MINUTE)) == written
    assert len(list(ledger_rows(athena, Scope(bucket=RAW), key="incoming/00007.csv"))) == EVENTS_AN_OBJECT - 1
    assert sum(1 for _ in ledger_rows(athena)) == written

    announced = running_server(server.home)
    assert announced is not None
    # The answer arrives shortly before its memory is released.
    assert eventually(lambda: resident_mb(announced["pid"]) < LIMIT_MB)
