"""From text to values and reasons: column by column, in Arrow, where the bytes are read.

So every engine gets the same values. What Arrow would read more liberally than the rules is checked by a
regular expression before a cast. All times are in UTC.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from custody.etl.contract import Column, Contract

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]

UTC_TIME = pa.timestamp("us", "UTC")
ARROW_TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "decimal": pa.decimal128(18, 2),
    "date": pa.date32(),
    "timestamp": UTC_TIME,
    "boolean": pa.bool_(),
}
TEXTS = pa.list_(pa.string())
_WHITESPACE = r"[ \t\n\x0b\f\r]+"
_UNTIDY = r"[\t\n\x0b\f\r]|  |\A | \z"
"""Whitespace that is not one space between words."""
_CONTROL = r"[\x00-\x1f\x7f-\x{9f}\x{202a}-\x{202e}\x{2066}-\x{2069}\x{feff}]"
_INTEGER = r"\A[+-]?[0-9]{1,18}\z"
_DECIMAL = r"\A[+-]?[0-9]{1,16}(?:\.[0-9]{1,2}0*)?\z"
_LEAP_YEAR = "(?:19(?:0[48]|[2468][048]|[13579][26])|20(?:[02468][048]|[13579][26]))"
_DAY = (
    "(?:(?:19|20)[0-9]{2}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    f"|02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP_YEAR}-02-29)"
)
_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_OFFSET = f"(?:Z|[+-]{_CLOCK})"
_PLAIN_TIMESTAMP = rf"\A{_DAY}[T ]{_CLOCK}:[0-5][0-9](?:\.[0-9]{{1,6}})?{_OFFSET}\z"
"""What Arrow can cast."""
_TIMESTAMP = rf"\A{_DAY}[Tt ]{_CLOCK}:(?:[0-5][0-9]|60)(?:\.[0-9]+)?(?i:{_OFFSET})\z"
_LEAP_SECOND = r":60(?:\.[0-9]+)?"
_EPOCH_SECONDS = r"\A[0-9]{9,10}(?:\.[0-9]{1,6})?\z"
_EPOCH_MILLISECONDS = r"\A[0-9]{12,13}\z"
_MICROSECONDS = 1_000_000


def typed(records: pa.RecordBatch, contract: Contract, entry: int, delivered: date) -> pa.RecordBatch:
    """Records, as ``read_columns`` yields them, with the columns of ``source.read_manifest``.

    A value is null if there is none or it cannot be read. The reason is null for a valid row, else
    ``column:problem`` for every broken rule, separated by ``; ``.
    """
    texts = [_spelled(_cleaned(records[f"text_{column.name}"]), column) for column in contract.columns]
    values = {
        column.name: read(text, column.type) for column, text in zip(contract.columns, texts, strict=True)
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


def last_row(
    contract: Contract, entry: int, object_rows: int, read_bytes: int, refused: str | None
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
            *day,
            *(pa.field(column.name, ARROW_TYPES[column.type]) for column in contract.columns),
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


def _bytes_range(texts: pa.StringArray) -> tuple[int, int]:
    """The smallest and the largest byte of all texts."""
    _, offsets, data = texts.buffers()
    if data is None or offsets is None:
        return 0x40, 0x40
    ends = np.frombuffer(offsets, np.int32)
    begin, end = ends[texts.offset], ends[texts.offset + len(texts)]
    bytes_ = np.frombuffer(data, np.uint8)[begin:end]
    return (int(bytes_.min()), int(bytes_.max())) if bytes_.size else (0x40, 0x40)


def _cleaned(texts: pa.StringArray) -> pa.StringArray:
    """The texts with whitespace collapsed and trimmed; null if nothing is left."""
    if _bytes_range(texts)[0] > ord(" "):
        return texts
    untidy = pc.match_substring_regex(texts, _UNTIDY)
    if not pc.any(untidy).as_py():
        return texts
    tidied = pc.replace_substring_regex(texts.filter(untidy), _WHITESPACE, " ")
    tidied = pc.utf8_trim(tidied, characters=" ")
    tidied = pc.if_else(pc.equal(tidied, ""), None, tidied)
    return pc.replace_with_mask(texts, untidy.fill_null(False), tidied)


def _spelled(texts: pa.StringArray, column: Column) -> pa.StringArray:
    """The allowed value of each alternative text; any other text unchanged."""
    if not column.spellings:
        return texts
    other = pc.and_(texts.is_valid(), pc.invert(_is_in(texts, column.allowed)))
    if not pc.any(other).as_py():
        return texts
    found = pc.dictionary_encode(texts.filter(other))
    book = dict(column.spellings)
    values = [book.get(text.lower(), text) for text in found.dictionary.to_pylist()]
    return pc.replace_with_mask(texts, other, pa.array(values, pa.string()).take(found.indices))


def _is_in(texts: pa.StringArray, allowed: tuple[str, ...]) -> pa.BooleanArray:
    return pc.is_in(texts, value_set=pa.array(allowed, pa.string()))


def read(texts: pa.StringArray, kind: str) -> pa.Array:
    """Texts as values of the type; null for what is not one. Years are 1900 to 2099.

    Integers have at most 18 digits. Decimals have at most two places (more only if they are zero). A
    timestamp is RFC 3339 by the rules of ``custody.times.parse_time`` (a space may stand for the T), or
    seconds (9 or 10 digits) or milliseconds (12 or 13) since 1970 in UTC. A boolean is ``true`` or ``false``
    in any case.
    """
    match kind:
        case "string":
            return texts
        case "integer":
            return pc.utf8_ltrim(_only(texts, _INTEGER), characters="+").cast(pa.int64())
        case "decimal":
            return _only(texts, _DECIMAL).cast(ARROW_TYPES[kind])
        case "date":
            return _only(texts, rf"\A{_DAY}\z").cast(pa.date32())
        case "boolean":
            lower = pc.utf8_lower(texts)
            return pc.if_else(_is_in(lower, ("true", "false")), pc.equal(lower, "true"), None)
        case _:
            return _timestamps(texts)


def _timestamps(texts: pa.StringArray) -> pa.TimestampArray:
    plain = pc.match_substring_regex(texts, _PLAIN_TIMESTAMP)
    values = pc.if_else(plain, texts, None).cast(UTC_TIME)
    if values.null_count == texts.null_count:
        return values
    odd = pc.and_(texts.is_valid(), values.is_null())
    return pc.replace_with_mask(values, odd, _odd_timestamps(texts.filter(odd)))


def _odd_timestamps(texts: pa.StringArray) -> pa.TimestampArray:
    """Times in any other form: digits past the microsecond are cut, ``:60`` is the next second."""
    upper = pc.utf8_upper(_only(texts, _TIMESTAMP))
    is_leap = pc.match_substring_regex(upper, _LEAP_SECOND)
    cut = pc.replace_substring_regex(upper, r"(\.[0-9]{6})[0-9]+", r"\1")
    cut = pc.replace_substring_regex(cut, _LEAP_SECOND, ":59").cast(UTC_TIME).cast(pa.int64())
    rfc3339 = pc.add(cut, pc.if_else(is_leap, _MICROSECONDS, 0))
    seconds = _only(texts, _EPOCH_SECONDS).cast(pa.decimal128(16, 6))
    seconds = pc.multiply(seconds, pa.scalar(Decimal(_MICROSECONDS))).cast(pa.int64())
    milliseconds = pc.multiply(_only(texts, _EPOCH_MILLISECONDS).cast(pa.int64()), 1000)
    return pc.coalesce(rfc3339, seconds, milliseconds).cast(UTC_TIME)


def _only(texts: pa.StringArray, pattern: str) -> pa.StringArray:
    """The texts that match, else null: a guard before a cast."""
    return pc.if_else(pc.match_substring_regex(texts, pattern), texts, None)


def _problems(
    column: Column, texts: pa.StringArray, values: dict[str, pa.Array], delivered: date
) -> dict[str, pa.BooleanArray]:
    """For each rule of one column, which rows break it; null counts as no."""
    value = values[column.name]
    broken: dict[str, Any] = {}
    if column.required:
        broken["missing"] = texts.is_null()
    if column.type == "string":
        low, high = _bytes_range(texts)
        if low < ord(" ") or high >= 0x7F:
            broken["control_characters"] = pc.match_substring_regex(texts, _CONTROL)
    else:
        broken[f"not_{column.type}"] = pc.and_(texts.is_valid(), value.is_null())
    if column.pattern is not None:
        broken["malformed"] = pc.invert(pc.match_substring_regex(texts, rf"\A(?:{column.pattern})\z"))
    if column.allowed:
        broken["not_allowed"] = pc.and_(texts.is_valid(), pc.invert(_is_in(texts, column.allowed)))
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
