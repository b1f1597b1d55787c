"""Reads objects of a table of JSON into Arrow, in any process."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING, Any

from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.tables import StoredTable, arrow_type, rows
from scripts.local_aws.athena.types import VARCHAR

if TYPE_CHECKING:
    import pyarrow as pa

Group = list[tuple[str, bytes]]
"""Keys and bytes of objects that are read together."""
_BATCH_ROWS = 2000


class Reader:
    """Reads objects of a table of JSON, in any process."""

    def __init__(self, table: StoredTable) -> None:
        import pyarrow as pa  # noqa: PLC0415 - slow, and small servers need none

        self._table = table
        self._pool = pa.system_memory_pool()  # the default keeps what is freed
        self._schema = pa.schema(
            [
                (f"c{at}", arrow_type(kind))
                for at, kind in enumerate([kind for _, kind in table.columns] + [VARCHAR])
            ]
        )

    def __call__(self, numbered: tuple[int, Group]) -> tuple[int, list[pa.Table]]:
        """Return the number and the rows of numbered objects."""
        at, group = numbered
        return at, list(self.batches(group))

    def batches(self, group: Group) -> Iterator[pa.Table]:
        """Yield the rows of objects. Raises ``QueryError``."""
        import pyarrow as pa  # noqa: PLC0415 - as above

        for batch in _batches(self._rows(group)):
            try:
                columns = [
                    pa.array(values, each.type, memory_pool=self._pool)
                    for values, each in zip(zip(*batch, strict=True), self._schema, strict=True)
                ]
                yield pa.table(columns, self._schema)
            except (pa.ArrowException, OverflowError) as error:
                raise QueryError("HIVE_BAD_DATA", str(error).splitlines()[0]) from error
        self._pool.release_unused()

    def _rows(self, group: Group) -> Iterator[list[Any]]:
        for key, body in group:
            path = f"s3://{self._table.bucket}/{key}"
            for row in rows(self._table, key, body):
                row.append(path)
                yield row


def _batches(incoming: Iterable[list[Any]]) -> Iterator[list[list[Any]]]:
    rest = iter(incoming)
    while batch := list(islice(rest, _BATCH_ROWS)):
        yield batch


def reader_of_process(table: StoredTable) -> Reader:
    """The reader of a process that does nothing else."""
    forgo_pandas()
    return Reader(table)


def forgo_pandas() -> None:
    """Have this process do without pandas, which pyarrow loads, for seconds, to ask if a list is of it."""
    if _NO_PANDAS not in sys.meta_path:
        sys.meta_path.insert(0, _NO_PANDAS)


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError(fullname)


_NO_PANDAS = _NoPandas()
