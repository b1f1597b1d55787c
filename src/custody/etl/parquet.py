"""The rows of a Parquet object as text: one record each, numbered from 1, with columns found by name.

Parquet is read from its end, so the object is spooled to a temporary file. What the file says about its own
sizes is not relied on: its footer is limited, pages are read one at a time, texts are kept as dictionaries
until their length is known, and rows are limited as the expansion of compressed objects is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import pairwise
from typing import IO, TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet as pq

from custody.etl.arrow_text import is_string_like, json_of, json_word, text_of
from custody.etl.batches import Tally, as_batch, make_batch
from custody.etl.contract import Column, Contract
from custody.etl.decoding import Broken, Decoded
from custody.etl.records import MAX_RECORD_BYTES, MAX_UNREADABLE_CHARACTERS, unreadable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]
    Numbers = NDArray[np.intp]

_MAX_FILE_BYTES = 32 * 1024**3
"""What fits on the disk of a Glue worker, beside what Spark has there."""
_MAX_FOOTER_BYTES = 16 * 1024**2
_MIN_BATCH_ROWS, _MAX_BATCH_ROWS = 1024, 65_536
"""How many rows are decoded at once, fewer if they are long; each batch has its own dictionaries."""
_PART_BYTES = 16 * 1024**2
"""How much text is made at once."""
_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
_END_BYTES = 8
"""At the end of a file: the footer's length, and the magic bytes."""


def read_parquet(text: Decoded, contract: Contract, tally: Tally) -> Iterator[pa.RecordBatch]:
    """Yield the rows as ``read_columns`` does. If they end early, ``text.broken`` says why."""
    with tempfile.NamedTemporaryFile() as file:
        for piece in text:
            if text.bytes_ > _MAX_FILE_BYTES:
                text.broken = Broken("too_large", f"It is larger than {_MAX_FILE_BYTES} bytes.")
                return
            file.write(piece)
        file.flush()
        if text.broken is None:
            text.broken = _defect(file, text.bytes_)
        if text.broken is None:
            try:
                yield from _Rows(file.name, text, contract, tally)
            except (pa.ArrowException, OSError, ValueError, RecursionError) as error:
                text.broken = Broken("not_parquet", " ".join(str(error).split()))


def _defect(file: IO[bytes], size: int) -> Broken | None:
    """What is wrong at the begin or the end of the file."""
    file.seek(0)
    begin = file.read(len(_MAGIC))
    file.seek(max(size - _END_BYTES, 0))
    footer_bytes, end = int.from_bytes(file.read(4), "little"), file.read()
    if _ENCRYPTED in (begin, end):
        return Broken("not_parquet", "It is encrypted.")
    if (begin, end) != (_MAGIC, _MAGIC):
        return Broken("not_parquet", "It does not begin and end as a Parquet file does.")
    if footer_bytes > _MAX_FOOTER_BYTES:
        return Broken("too_large", f"Its footer has {footer_bytes} bytes, more than {_MAX_FOOTER_BYTES}.")
    return None


class _Rows:
    """The rows of a file."""

    def __init__(self, path: str, text: Decoded, contract: Contract, tally: Tally) -> None:
        self._text = text
        self._contract = contract
        self._tally = tally
        self._file = _open(path)
        self._names = self._file.schema_arrow.names
        self._kinds = _kinds(self._file)
        self._others = sorted({*self._names}.difference(*map(_names, contract.columns)))
        """The columns that are not in the contract."""
        self._text_bytes = 0
        """How much text was made, and a byte for each field."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        self._text.broken = self._wrong_columns()
        if self._text.broken is not None:
            return
        before, unread = 0, 0
        rows = _PART_BYTES * self._file.metadata.num_rows // self._text.bytes_
        rows = min(max(rows, _MIN_BATCH_ROWS), _MAX_BATCH_ROWS)
        for batch in self._file.iter_batches(batch_size=rows, use_threads=False):
            for made in self._fit(batch, np.arange(before + 1, before + 1 + len(batch))):
                unread += len(made) - made["problem"].null_count
                yield made
                if self._text.has_expanded_to(self._text_bytes):
                    return
            before += len(batch)
        self._tally.read_bytes += self._text.bytes_ - self._text.bytes_ * unread // max(before, 1)

    def _wrong_columns(self) -> Broken | None:
        found = set(self._names)
        if len(found) < len(self._names):
            return Broken("name_twice", ", ".join(self._names))
        columns = (column for column in self._contract.columns if column.name in self._contract.key)
        return (
            None
            if all(map(found.intersection, map(_names, columns)))
            else Broken("no_header", ", ".join(self._names))
        )

    def _fit(self, batch: pa.RecordBatch, numbers: Numbers) -> Iterator[pa.RecordBatch]:
        """Yield the rows in parts of a bounded size, and those that cannot be read."""
        sizes, no_text = np.zeros(len(batch), np.int64), np.zeros(len(batch), np.bool_)
        for column in batch.columns:
            if isinstance(column, pa.DictionaryArray):
                sizes += pc.binary_length(column.dictionary).take(column.indices).fill_null(0).to_numpy()
                no_text |= (
                    _is_no_text(column.dictionary).take(column.indices).fill_null(False).to_numpy(False)
                )
        too_long = sizes > MAX_RECORD_BYTES
        fit = ~(no_text | too_long)
        if not fit.all():
            yield from self._unfit(batch, numbers, no_text, "not_utf8")
            yield from self._unfit(batch, numbers, too_long & ~no_text, "too_long")
            batch, numbers, sizes = batch.filter(pa.array(fit)), numbers[fit], sizes[fit]
        parts = np.flatnonzero(np.diff(sizes.cumsum() // _PART_BYTES)) + 1
        for begin, end in pairwise((0, *parts.tolist(), len(batch))):
            yield from self._made(batch.slice(begin, end - begin), numbers[begin:end])

    def _made(self, batch: pa.RecordBatch, numbers: Numbers) -> Iterator[pa.RecordBatch]:
        texts, sizes = [], np.zeros(len(batch), np.int64)
        for column in self._contract.columns:
            found = [
                _filled(text_of(batch[name], self._kinds.get(name)))
                for name in _names(column)
                if name in self._names
            ]
            texts.append(pc.coalesce(*found) if found else pa.nulls(len(batch), pa.string()))
            sizes += pc.binary_length(texts[-1]).fill_null(0).to_numpy()
        extra = [self._extra(batch)] if self._others else []
        for found in extra:
            sizes += np.fromiter((len(text or "") for text in found), np.int64, len(batch))
        self._text_bytes += int(sizes.sum()) + len(batch) * len(self._names)
        made = make_batch(self._contract, numbers, texts, *extra)
        too_long = sizes > MAX_RECORD_BYTES
        if too_long.any():
            yield from self._unfit(batch, numbers, too_long, "too_long")
            made = made.filter(pa.array(~too_long))
        yield made

    def _extra(self, batch: pa.RecordBatch) -> list[str | None]:
        """The fields that are not in the contract, as a JSON object for each row."""
        fields = [
            [value and f"{json_word(name)}: {value}" for value in json_of(batch[name], self._kinds.get(name))]
            for name in self._others
        ]
        rows = zip(*fields, strict=True)
        return [f"{{{', '.join(there)}}}" if (there := [*filter(None, row)]) else None for row in rows]

    def _unfit(
        self, batch: pa.RecordBatch, numbers: Numbers, which: Mask, problem: str
    ) -> Iterator[pa.RecordBatch]:
        """Yield these rows as records that cannot be read."""
        records = [
            unreadable(int(numbers[place]), len(self._contract.columns), problem, _shown(batch, place))
            for place in np.flatnonzero(which).tolist()
        ]
        if records:
            yield as_batch(records, self._contract)


def _names(column: Column) -> tuple[str, ...]:
    return column.name, *column.aliases


def _open(path: str) -> pq.ParquetFile:
    """Open a file so that texts are read as dictionaries: one that is there a million times is held once."""
    options = {
        "memory_map": True,
        "pre_buffer": False,
        "coerce_int96_timestamp_unit": "us",
        "page_checksum_verification": True,
        "thrift_string_size_limit": _MAX_FOOTER_BYTES,
        "thrift_container_size_limit": _MAX_FOOTER_BYTES,
    }
    file = pq.ParquetFile(path, **options)
    texts = [field.name for field in file.schema_arrow if is_string_like(field.type)]
    return pq.ParquetFile(path, metadata=file.metadata, read_dictionary=texts, **options)


def _kinds(file: pq.ParquetFile) -> dict[str, str]:
    """By column, what Parquet says of it and Arrow's type does not: ``UUID``, ``ENUM`` or ``INT96``."""
    columns = map(file.schema.column, range(len(file.schema)))
    kinds = {column.path: {column.logical_type.type, column.physical_type} for column in columns}
    return {name: kind for name, found in kinds.items() for kind in found & {"UUID", "ENUM", "INT96"}}


def _is_no_text(values: pa.Array) -> pa.BooleanArray:
    """For each value of a text, whether it is not UTF-8."""
    try:
        values.validate(full=True)
    except pa.ArrowInvalid:
        raw = values.cast(pa.large_binary()).to_pylist()
        return pa.array(
            [value is not None and value != value.decode(errors="ignore").encode() for value in raw]
        )
    return pa.repeat(False, len(values))


def _filled(text: pa.StringArray) -> pa.StringArray:
    """The texts, and null for an empty one."""
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _shown(batch: pa.RecordBatch, place: int) -> str:
    """The fields of a row, for the person who examines it."""
    fields = []
    for column in batch.columns:
        if isinstance(column, pa.DictionaryArray) and column.indices[place].is_valid:
            value = column.dictionary[column.indices[place].as_py()].as_buffer()
            fields.append(value[:MAX_UNREADABLE_CHARACTERS].to_pybytes().decode(errors="backslashreplace"))
        else:
            fields.append(str(column[place]))
    return ",".join(fields)
