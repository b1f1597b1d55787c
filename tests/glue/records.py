"""The records of a whole object, one by one: the batches of ``columns`` must agree with them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from custody.etl.contract import Contract
from custody.etl.decoding import Decoded
from custody.etl.objects import Pieces
from custody.etl.records import CsvRecords, Record, cut, read_blocks, read_json, unreadable


def read_records(chunks: Iterable[bytes], contract: Contract) -> Iterator[Record]:
    """Yield the records of one object, in order."""
    text, last = Decoded(chunks, contract.raw().csv.encoding), 0
    for record in _records(text, contract):
        yield record
        last = record.number
    if text.broken:
        yield unreadable(last + 1, len(contract.columns), *text.broken)


def _records(text: Decoded, contract: Contract) -> Iterator[Record]:
    if contract.raw().format == "json":
        return read_json(((piece.number, piece.data) for piece in Pieces(text)), contract)
    lines = (cut(line) for block in read_blocks(text) for line in io.BytesIO(block))
    if contract.raw().format == "csv":
        return iter(CsvRecords(lines, contract))
    return read_json(enumerate(lines, 1), contract)
