"""The records of a whole object, one by one: the batches of ``columns`` must agree with them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from custody.etl.contract import Contract
from custody.etl.records import CsvRecords, Record, cut, read_blocks, read_json


def read_records(chunks: Iterable[bytes], contract: Contract) -> Iterator[Record]:
    """Yield the records of one object, in order."""
    lines = (cut(line) for block in read_blocks(chunks) for line in io.BytesIO(block))
    if contract.raw().format == "csv":
        return iter(CsvRecords(lines, contract))
    return read_json(enumerate(lines, 1), contract)
