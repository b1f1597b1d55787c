"""What a column is, guessed from its texts: a guess is what the jobs' own rules accept of every row.

Each candidate is tried as a contract of that column alone. So nothing here has rules of its own about what a
date or a number is: the first candidate by which no row is rejected is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations, product
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from custody.errors import UsageError
from custody.etl.contract import Csv, parse_contract
from custody.etl.rows import typed

Fields = dict[str, Any]
"""What a contract says of a column: ``type``, and what belongs to it."""
STRING: Fields = {"type": "string"}
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:[.][0-9]+)?(?:[eE][-+]?[0-9]+)?")
"""Not one with zeros or a plus before it: that is a code or a telephone number, and would lose them."""
_MARKS = (
    (".", ""),
    (",", ""),
    (".", ","),
    (",", "."),
    (".", "'"),
    (",", " "),
    (",", "\u00a0"),
    (",", "\u202f"),
)
"""Decimal and thousands marks, the usual ones first."""
_WORDS = (("yes", "no"), ("y", "n"), ("ja", "nein"), ("oui", "non"), ("si", "no"), ("on", "off"))
_DATES = (
    *("%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y"),
    *("%-d.%-m.%Y", "%-d/%-m/%Y", "%-m/%-d/%Y", "%-d %b %Y", "%-d %B %Y", "%b %-d, %Y", "%B %-d, %Y"),
)
_CLOCKS = (
    *("%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%H:%M:%S%z", "%H:%M:%S %z", "%H:%M:%S.%f%z"),
    *("%-H:%M", "%-I:%M %p", "%-I:%M:%S %p"),
)
_DATE_LIKE = re.compile(r"(?=.*[0-9].*[0-9])[0-9A-Za-z].{5,39}")
_FIRST_TEXTS = 20
"""A candidate is tried with so many texts before it is tried with all."""
_MONEY_PLACES = 6
"""A number with more decimal places has been measured, not counted."""
_MAX_KEY, _KEY_COLUMNS = 3, 10
"""A key is sought among this many columns, the likely ones first."""
_MARK_TEXTS = 10_000
"""How many texts of a column its marks are guessed from."""
_KEY_NAME = re.compile(r"(?:.*_)?(?:id|key|no|nr|number|code|uuid|guid)")
_NO_KEY = re.compile(r"double|decimal.*|boolean|binary|array.*|struct.*")
_PERSON = re.compile(
    r"(?:.*_)?(?:(?:first|last|given|family|middle|full|user|maiden)_?name|surname|nickname|e?mail|phone|mobile"
    r"|telephone|address|street|postcode|zip|birth(?:day|date)?|dob|gender|sex|nationality|religion|passport|ssn"
    r"|iban|salary|person|owner|operator|customer|patient|employee|contact|ip|latitude|longitude)"
    r"(?:_(?:id|no|number|name|date|code|address|of_birth))?"
)


@dataclass(frozen=True, slots=True)
class Guess:
    """One column."""

    name: str
    fields: Fields
    values: pa.Array
    others: Sequence[Fields] = ()
    """By these all its values could be read too, as others."""

    @property
    def required(self) -> bool:
        """Whether every row has a value."""
        return bool(self.values.null_count == 0)

    @property
    def pii(self) -> bool:
        """Whether its name is that of personal data."""
        return _PERSON.fullmatch(self.name) is not None


def guess_marks(columns: Sequence[pa.StringArray], delimiter: str) -> Fields:
    """The marks by which the most columns are numbers; nothing where those are the usual ones."""
    distinct = [pc.unique(texts.drop_null())[:_MARK_TEXTS].to_pylist() for texts in columns]
    possible = [marks for marks in _MARKS if marks[0] != delimiter]
    decimal, thousands = max(
        possible,
        key=lambda marks: sum(
            bool(texts) and all(_is_number(text, *marks) for text in texts) for texts in distinct
        ),
    )
    given = {"decimal_mark": decimal, "thousands_mark": thousands}
    return {name: mark for name, mark in given.items() if mark != getattr(Csv(), name)}


def guess(name: str, texts: pa.StringArray, source: Fields, hint: pa.DataType | None = None) -> Guess:
    """What a column is. ``hint``: its type where the format has one."""
    distinct = pc.unique(texts.drop_null())
    fitting = (
        (fields, values)
        for fields in (_candidates(distinct.to_pylist(), source, hint) if len(distinct) else [])
        if _fits(fields, distinct[:_FIRST_TEXTS], source) is not None
        and (values := _fits(fields, distinct, source)) is not None
    )
    fields, found = next(fitting, (STRING, None))
    others, meanings = [], [found]
    for other, values in fitting if "formats" in fields else ():
        if "formats" in other and values not in meanings:
            others.append(other)
            meanings.append(values)
    read = _read(fields, texts, source)
    return Guess(name, fields, pa.nulls(len(texts)) if read is None else read, others)


def guess_key(guesses: Sequence[Guess]) -> tuple[list[str], bool]:
    """The fewest columns by which all rows differ, and whether there are such columns.

    Else all that every row has a value of; none, if there is no such column.
    """
    required = [item for item in guesses if item.required]
    usual = [item for item in required if not _NO_KEY.fullmatch(item.fields["type"])]
    usual.sort(key=lambda item: _KEY_NAME.fullmatch(item.name) is None)
    table = pa.table({item.name: item.values for item in usual[:_KEY_COLUMNS]})
    for size in range(1, _MAX_KEY + 1):
        for names in combinations(table.column_names, size):
            if table.group_by([*names]).aggregate([]).num_rows == table.num_rows:
                return [*names], True
    return [item.name for item in usual or required], False


def _fits(fields: Fields, texts: pa.StringArray, source: Fields) -> pa.Array | None:
    """The values of texts by a candidate, if all of them have one."""
    values = _read(fields, texts, source)
    return values if values is not None and values.null_count == 0 else None


def _read(fields: Fields, texts: pa.StringArray, source: Fields) -> pa.Array | None:
    """The values of texts by a candidate; ``None`` if no contract can say it, or a row would be rejected."""
    document = {
        "table": "sample",
        "meaning": "",
        "key": ["x"],
        "source": {"prefix": "incoming/x/", "wins": "latest", "unknown_columns": "keep", **source},
        "columns": [
            {"name": "x", "type": "string", "required": True, "meaning": ""},
            {"name": "value", "meaning": "", **fields},
        ],
    }
    nothing = pa.nulls(len(texts), pa.string())
    records = pa.record_batch(
        {
            "source_row": pa.array(range(1, len(texts) + 1), pa.int64()),
            "text_x": pa.repeat(pa.scalar("x"), len(texts)),
            "text_value": texts,
            "extra": nothing,
            "problem": nothing,
            "unreadable": nothing,
        }
    )
    try:
        read = typed(records, parse_contract(json.dumps(document)), 0, datetime.now(UTC).date())
    except UsageError:
        return None
    return read["value"] if read["reason"].null_count == len(texts) else None


def _is_number(text: str, decimal: str, thousands: str) -> bool:
    whole, _, _ = text.partition(decimal)
    groups = whole.lstrip("-").split(thousands) if thousands else [whole]
    if any(len(group) != 3 for group in groups[1:]) or (len(groups[0]) > 3 and len(groups) > 1):
        return False
    return bool(_PLAIN.fullmatch(_plain(text, decimal, thousands)))


def _plain(text: str, decimal: str, thousands: str) -> str:
    """A number as the usual marks have it."""
    text = text.replace(thousands, "") if thousands else text
    return text if decimal == "." else text.replace(".", "?").replace(decimal, ".")


def _candidates(texts: Sequence[str], source: Fields, hint: pa.DataType | None) -> Iterator[Fields]:
    if hint is not None:
        yield {"type": _of_arrow(hint)}
    words = {text.lower() for text in texts}
    if words <= {"true", "false"}:
        yield {"type": "boolean"}
    for true, false in _WORDS:
        if words <= {true, false}:
            yield {"type": "boolean", "true_words": [true], "false_words": [false]}
    marks: Mapping[str, str] = source.get("csv", {})
    decimal, thousands = marks.get("decimal_mark", "."), marks.get("thousands_mark", "")
    if all(_is_number(text, decimal, thousands) for text in texts):
        yield from _numbers([_plain(text, decimal, thousands) for text in texts])
    if all(map(_DATE_LIKE.fullmatch, texts)):
        yield {"type": "date"}
        yield from ({"type": "date", "formats": [day]} for day in _DATES)
        yield {"type": "timestamp"}
        for day, between, clock in product(("%Y-%m-%d", *_DATES), (" ", "T", ", "), _CLOCKS):
            zone = {} if clock.endswith("%z") else {"timezone": "UTC"}
            yield {"type": "timestamp", "formats": [f"{day}{between}{clock}"], **zone}
    if all(text[:1] in ("{", "[") for text in texts) and (kind := _of_json(texts)):
        yield {"type": kind}
    yield STRING


def _numbers(texts: Sequence[str]) -> Iterator[Fields]:
    """From the narrowest type to the widest."""
    yield {"type": "integer"}
    yield {"type": "bigint"}
    parts = [text.lower().lstrip("-").partition(".") for text in texts]
    whole, places = max(len(part[0]) for part in parts), max(len(part[2]) for part in parts)
    if places <= _MONEY_PLACES:
        yield {"type": "decimal"}
        yield {"type": f"decimal({min(38, max(18, whole + places))},{places})"}
    yield {"type": "double"}
    yield {"type": f"decimal(38,{places})"}


def _of_arrow(kind: pa.DataType) -> str:
    """The type of a Parquet column."""
    if pa.types.is_dictionary(kind):
        return _of_arrow(kind.value_type)
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision},{kind.scale})"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"array<{_of_arrow(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{','.join(f'{field.name}:{_of_arrow(field.type)}' for field in kind)}>"
    for is_kind, name in (
        (pa.types.is_uint64, "decimal(20,0)"),
        (pa.types.is_integer, "bigint"),
        (pa.types.is_floating, "double"),
        (pa.types.is_date, "date"),
        (pa.types.is_timestamp, "timestamp"),
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_binary, "binary"),
        (pa.types.is_large_binary, "binary"),
    ):
        if is_kind(kind):
            return name
    return "string"


def _of_json(texts: Sequence[str]) -> str | None:
    """The type of nested JSON; ``None`` if the values have no common one."""
    try:
        return _common([json.loads(text) for text in texts])
    except (ValueError, RecursionError):
        return None


def _common(values: Sequence[Any]) -> str | None:
    """The type of these values of JSON, of which some may be null."""
    there = [value for value in values if value is not None]
    kinds = {type(value) for value in there}
    if kinds == {dict}:
        names = list(dict.fromkeys(name for value in there for name in value))
        of = {name: _common([value.get(name) for value in there]) for name in names}
        return (
            f"struct<{','.join(f'{name}:{kind}' for name, kind in of.items())}>"
            if of and all(of.values())
            else None
        )
    if kinds == {list}:
        inner = _common([item for value in there for item in value])
        return inner and f"array<{inner}>"
    if kinds <= {int, float} and kinds:
        return "bigint" if kinds == {int} else "double"
    return {(): "string", (str,): "string", (bool,): "boolean"}.get(tuple(kinds))
