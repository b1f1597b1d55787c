"""Typed rows with what is wrong with each: the contract's rules, column by column in Arrow.

This happens where the bytes are read, so every engine gets the same rows and reasons.
"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custody.etl.contract import Column, Contract
from custody.etl.values import arrow_type, cleaned, control_characters, is_in, read

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

TEXTS = pa.list_(pa.string())
_NAME_CHARACTERS = 200
"""Of the name of an unknown column; the rest of a longer one goes."""


def typed(records: pa.RecordBatch, contract: Contract, entry: int, delivered: date) -> pa.RecordBatch:
    """Records, as ``read_columns`` yields them, with the columns of ``source.read_entries``.

    A value is null if there is none or it cannot be read. The reason is null for a valid row, else
    ``column:problem`` for every broken rule, separated by ``; ``.
    """
    texts = [_spelled(cleaned(records[f"text_{column.name}"]), column) for column in contract.columns]
    values = {
        column.name: read(text, column, contract.raw().csv)
        for column, text in zip(contract.columns, texts, strict=True)
    }
    broken: list[tuple[str, Mask]] = []
    for column, text in zip(contract.columns, texts, strict=True):
        for problem, condition in _problems(column, text, values, delivered).items():
            if pc.any(condition).as_py():
                broken.append((f"{column.name}:{problem}", _mask(condition)))
    extra = records["extra"]
    if contract.raw().unknown_columns == "reject" and extra.null_count < len(extra):
        broken.append(("extra:unknown_column", _mask(extra.is_valid())))
    reasons = _reasons(broken, records.num_rows)
    problems = records["problem"]
    if problems.null_count < len(problems):
        reasons = pc.coalesce(pc.binary_join_element_wise(pa.scalar("record:"), problems, ""), reasons)
    if contract.day is not None:
        values = {contract.day[0]: values[contract.day[1]].cast(pa.date32()), **values}
    return _rows(
        contract,
        records.num_rows,
        source_entry=pa.repeat(pa.scalar(entry, pa.int32()), records.num_rows),
        source_row=records["source_row"],
        extra=extra,
        reason=reasons,
        unreadable=records["unreadable"],
        source_texts=_delivered_texts(records, contract, _mask(reasons.is_valid())),
        **values,
    )


def unknown_names(records: pa.RecordBatch) -> set[str]:
    """The names of fields with a value that the contract does not list."""
    texts = records["extra"]
    if texts.null_count == len(texts):
        return set()
    # Numbers stay texts: Python refuses the longest.
    records_of_extra = (
        json.loads(text, parse_int=str, parse_float=str) for text in texts.drop_null().to_pylist()
    )
    return {
        name[:_NAME_CHARACTERS]
        for fields in records_of_extra
        for name, value in fields.items()
        if value is not None and value != ""
    }


def last_row(
    contract: Contract,
    entry: int,
    object_rows: int,
    *,
    read_bytes: int,
    refused: str | None,
    unknown: list[str],
) -> pa.RecordBatch:
    """The row that follows an object's records."""
    return _rows(
        contract,
        1,
        source_entry=pa.array([entry], pa.int32()),
        source_row=pa.array([0], pa.int64()),
        object_rows=pa.array([object_rows], pa.int64()),
        read_bytes=pa.array([read_bytes], pa.int64()),
        refused=pa.array([refused], pa.string()),
        unknown_columns=pa.array([unknown or None], TEXTS),
    )


def _rows(contract: Contract, count: int, /, **columns: pa.Array) -> pa.RecordBatch:
    """A batch with all columns; those that are not given are null."""
    day = [pa.field(contract.day[0], pa.date32())] if contract.day else []
    schema = pa.schema(
        [
            pa.field("source_entry", pa.int32()),
            pa.field("source_row", pa.int64()),
            pa.field("object_rows", pa.int64()),
            pa.field("read_bytes", pa.int64()),
            pa.field("refused", pa.string()),
            pa.field("unknown_columns", TEXTS),
            *day,
            *(pa.field(column.name, arrow_type(column.kind)) for column in contract.columns),
            *(pa.field(name, pa.string()) for name in ("extra", "reason", "unreadable")),
            pa.field("source_texts", TEXTS),
        ]
    )
    arrays = [
        columns[field.name] if field.name in columns else pa.nulls(count, field.type) for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _delivered_texts(records: pa.RecordBatch, contract: Contract, rejected: Mask) -> pa.ListArray:
    """For each rejected row, the texts of the contract's columns as delivered; null for any other."""
    if not rejected.any():
        return pa.nulls(len(rejected), TEXTS)
    kept = pa.array(rejected)
    columns = [records[f"text_{column.name}"].filter(kept) for column in contract.columns]
    by_column = np.arange(len(columns) * len(columns[0])).reshape(len(columns), -1)
    texts = pa.concat_arrays(columns).take(pa.array(by_column.T.ravel()))
    offsets = np.zeros(len(rejected) + 1, np.int32)
    offsets[1:] = np.cumsum(rejected) * len(columns)
    return pa.ListArray.from_arrays(pa.array(offsets, mask=np.append(~rejected, [False])), texts)


def _mask(condition: pa.BooleanArray) -> Mask:
    found: Mask = condition.fill_null(False).to_numpy(zero_copy_only=False)
    return found


def _reasons(broken: list[tuple[str, Mask]], rows: int) -> pa.StringArray:
    """For each row, the names of the conditions that it meets; null if there are none."""
    if not broken:
        return pa.nulls(rows, pa.string())
    met = np.packbits(np.column_stack([mask for _, mask in broken]), axis=1)
    sets = pa.FixedSizeBinaryArray.from_buffers(pa.binary(met.shape[1]), rows, [None, pa.py_buffer(met)])
    found = sets.dictionary_encode()
    texts = []
    for packed in found.dictionary.to_pylist():
        bits = np.unpackbits(np.frombuffer(packed, np.uint8)).tolist()
        texts.append("; ".join(name for (name, _), is_met in zip(broken, bits, strict=False) if is_met))
    return pa.array([text or None for text in texts], pa.string()).take(found.indices)


def _spelled(texts: pa.StringArray, column: Column) -> pa.StringArray:
    """The allowed value of each alternative text; any other text unchanged."""
    if not column.spellings:
        return texts
    other = pc.and_(texts.is_valid(), pc.invert(is_in(texts, column.allowed)))
    if not pc.any(other).as_py():
        return texts
    found = pc.dictionary_encode(texts.filter(other))
    book = dict(column.spellings)
    values = [book.get(text.lower(), text) for text in found.dictionary.to_pylist()]
    return pc.replace_with_mask(texts, other, pa.array(values, pa.string()).take(found.indices))


def _problems(
    column: Column, texts: pa.StringArray, values: dict[str, pa.Array], delivered: date
) -> dict[str, pa.BooleanArray]:
    """For each rule of one column, which rows break it; null counts as no."""
    value = values[column.name]
    broken: dict[str, Any] = {}
    if column.required:
        broken["missing"] = texts.is_null()
    if column.type == "string":
        broken["control_characters"] = control_characters(texts)
    else:
        broken[f"not_{column.kind.name}"] = pc.and_(texts.is_valid(), value.is_null())
    if column.pattern is not None:
        broken["malformed"] = pc.invert(pc.match_substring_regex(texts, rf"\A(?:{column.pattern})\z"))
    if column.allowed:
        broken["not_allowed"] = pc.and_(texts.is_valid(), pc.invert(is_in(texts, column.allowed)))
    if column.max_length is not None:
        broken["too_long"] = pc.greater(pc.utf8_length(texts), column.max_length)
    if column.minimum is not None:
        broken["too_low"] = pc.less(value, pa.scalar(column.minimum).cast(value.type))
    if column.maximum is not None:
        broken["too_high"] = pc.greater(value, pa.scalar(column.maximum).cast(value.type))
    if column.not_before is not None:
        broken[f"before_{column.not_before}"] = pc.less(value, values[column.not_before])
    if (days := column.max_days_before_delivery) is not None:
        first = _midnight(delivered, -days, value.type)
        broken["long_before_delivery"] = pc.less(value, first)
    if (days := column.max_days_after_delivery) is not None:
        after = _midnight(delivered, days + 1, value.type)
        broken["after_delivery"] = pc.greater_equal(value, after)
    return broken


def _midnight(day: date, later: int, kind: pa.DataType) -> pa.Scalar:
    """The beginning of the day that many days later; it may lie outside the years that Python has."""
    number = (day - date(1970, 1, 1)).days + later
    return pa.scalar(number, pa.int32()).cast(pa.date32()).cast(kind)
