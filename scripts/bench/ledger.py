"""Benchmark of the ledger: memory to join trail and receipts, and the bytes that a day's question reads.

    python -m scripts.bench.ledger EVENTS

A month of the trail in which each event is a write that has its receipt. Asked is the number of rows by
status: of the whole month, and of a day in its middle. Prints a JSON document: the ``peak_bytes`` of the
memory of the largest process, which holds the files too; the bytes that the question about the ``day``
reads; and those of all that is ``unsealed``: the trail's files, and each receipt as the object that it is.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from custody.evidence.dsse import sign_envelope
from custody.evidence.receipt import PAYLOAD_TYPE
from custody.ledger.ledger import LedgerStatus
from custody.log.segments import format_row, receipt_row
from scripts.bench.rules import BEGIN, BUCKETS, DAYS, DEPLOYMENT, KEY, Store, event_of, receipt_of, store_day
from scripts.bench.store import Signer
from scripts.local_aws.athena.engine import Engine
from scripts.local_aws.athena.planned import PlannedCatalog, tables_of
from scripts.local_aws.athena.reading import forgo_pandas
from scripts.terraform import LOCAL, Terraform
from scripts.toolchain.toolchain import ToolError

_COUNT = "SELECT status, count(*) FROM provenance_ledger{} GROUP BY status"


def write(store: Store, count: int) -> int:
    """Store the log files of so many writes, evenly over the days, and the segments of their receipts.

    Returns the bytes that the receipts would have as objects.
    """
    chance = random.Random(1)  # noqa: S311 - the same data each time
    signer = Signer(ec.generate_private_key(ec.SECP256R1()))
    step = timedelta(days=DAYS) / count
    for day in range(DAYS):
        events, receipts = [], []
        for number in range(count * day // DAYS, count * (day + 1) // DAYS):
            at = (BEGIN + step * number).replace(microsecond=0)
            event = event_of(8 * number, at, chance)
            events.append(event)
            receipts.append(format_row(receipt_row(receipt_of(event, at), KEY, number)))
        store_day(store, day, events, receipts)
    return count * len(sign_envelope(receipt_of(event, at).to_statement(), PAYLOAD_TYPE, signer))


def ask(engine: Engine, condition: str, expected: int) -> int:
    """Count the ledger; the bytes that were read. Raises ``ToolError`` unless all of it is verified."""
    answer = engine.run(_COUNT.format(condition), DEPLOYMENT.database)
    if answer.rows != ((LedgerStatus.VERIFIED.value, str(expected)),):
        raise ToolError(f"Of {expected} writes the ledger says {answer.rows}.")
    return answer.scanned_bytes


def main() -> None:
    """Measure and print."""
    forgo_pandas()  # as the local Athena does
    count, store = int(sys.argv[1]), Store()
    with tempfile.TemporaryDirectory() as folder:
        tables = tables_of(Terraform(LOCAL, work_dir=Path(folder), say=lambda _: None).plan().document)
    receipts = write(store, count)
    trail = sum(
        len(body) for (bucket, _), (body, _) in store.objects.items() if bucket == BUCKETS["cloudtrail-log"]
    )
    middle = DAYS // 2
    date = f"{BEGIN + timedelta(days=middle):%Y-%m-%d}"
    with Engine(PlannedCatalog(tables.values()), store) as engine:
        ask(engine, "", count)
        of_day = count * (middle + 1) // DAYS - count * middle // DAYS
        day = ask(engine, f" WHERE event_date = DATE '{date}'", of_day)
    kilobytes = max(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(json.dumps({"peak_bytes": kilobytes * 1024, "day": day, "unsealed": trail + receipts}))


if __name__ == "__main__":
    main()
