"""Records as batches of columns: ``source_row``, the texts, ``extra``, ``problem``, ``unreadable``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from custody.etl.contract import Contract
from custody.etl.records import Record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass
class Tally:
    """How many bytes of an object were read as records; complete once all its records were yielded.

    Blank lines and the header count as read; a record with a ``problem`` does not, and nothing of a broken
    object does. Of a compressed object these are stored bytes, in proportion.
    """

    read_bytes: int = 0


def make_batch(
    contract: Contract,
    numbers: Sequence[int] | NDArray[np.intp],
    texts: Iterable[pa.Array],
    *more: Sequence[str | None],
) -> pa.RecordBatch:
    """Make a batch of columns; ``more`` has ``extra``, ``problem``, ``unreadable``, or only the first."""
    columns = [*(pa.array(column, pa.string()) for column in more)]
    nothing = pa.nulls(len(numbers), pa.string())
    names = [f"text_{column.name}" for column in contract.columns]
    return pa.RecordBatch.from_arrays(
        [pa.array(numbers, pa.int64()), *texts, *columns, *([nothing] * (3 - len(columns)))],
        names=["source_row", *names, "extra", "problem", "unreadable"],
    )


def as_batch(records: Sequence[Record], contract: Contract) -> pa.RecordBatch:
    """Make a batch of records; there must be at least one."""
    numbers, values, *more = zip(*records, strict=True)
    return make_batch(
        contract, numbers, (pa.array(column, pa.string()) for column in zip(*values, strict=True)), *more
    )
