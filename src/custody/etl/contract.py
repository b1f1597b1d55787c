"""A table's contract: its columns, the rules for each row, and the thresholds for each object.

A contract is data, one YAML file a table (``<data set>/silver|gold/<table>.yaml``), or the same as JSON where
there is no PyYAML, as on Glue. It is read strictly: a name
nobody knows, a rule that does not fit its column's type or a threshold out of range is an error that names
its place. Patterns are kept to what Java's, Rust's and DQDL's regular expressions read alike.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, cast, get_args

from custody.errors import UsageError
from custody.etl.time_formats import parse_format
from custody.etl.types import Type, parse_type

Format = Literal["csv", "jsonl", "json", "parquet"]
Arrives = Literal["files", "stream"]
Wins = Literal["first", "latest"]
Unknown = Literal["keep", "reject"]
CheckKind = Literal["row_count", "rejected_ratio", "completeness"]

RESERVED = frozenset(
    {
        "extra",
        "manifest_id",
        "object_rows",
        "problem",
        "read_bytes",
        "reason",
        "refused",
        "unknown_columns",
        "unreadable",
    }
)
"""Reserved names of columns that the jobs add; names that begin with ``source_`` or ``text_`` are reserved
too."""
REJECTED = "_rejected"
"""How the name of a quarantine ends, and no other table's."""
ADDED = (
    "extra",
    "source_bucket",
    "source_key",
    "source_version_id",
    "source_row",
    "source_order",
    "manifest_id",
)
"""The columns that a silver table has beside those of its contract."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
FUNCTION = "rows"
"""The function of a gold table's Python module."""
MAX_DAYS = 36_525
"""The maximum for bounds on the days between a time and its delivery: a hundred years."""
ENCODINGS = (
    *(
        "utf-8",
        "utf-16",
        "utf-16-le",
        "utf-16-be",
        "gb18030",
        "big5",
        "shift_jis",
        "cp932",
        "euc-jp",
        "euc-kr",
    ),
    *(f"iso-8859-{part}" for part in (1, 2, 5, 7, 9, 15)),
    *(f"windows-{page}" for page in range(1250, 1259)),
    *("ibm437", "ibm850", "ibm852", "ibm866", "koi8-r", "macintosh"),
)
"""Of CSV; the names of Python's codecs."""
_DECIMAL_MARKS, _THOUSANDS_MARKS = (".", ","), ("", ".", ",", "'", "_", " ", "\u2019", "\u00a0", "\u202f")
_ORDERED = frozenset({"integer", "bigint", "decimal", "double", "date"})
_NOT_KEYS = frozenset({"array", "binary", "double", "struct"})
"""What engines compare differently."""
_BOUNDS = {
    "integer": re.compile(r"-?[0-9]{1,18}"),
    "bigint": re.compile(r"-?[0-9]{1,18}"),
    "decimal": re.compile(r"-?[0-9]{1,38}(?:\.[0-9]{1,38})?"),
    "double": re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?"),
    "date": re.compile(r"(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}"),
}
_NO_VALUE = re.compile("\\A | \\Z|  |[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")
"""What no value has, once its whitespace is collapsed and control characters are refused
(``custody.etl.values``)."""
_BOUND = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
"""A threshold's number, as Glue Data Quality reads it too."""
_COLUMN_MEANING, _TABLE_MEANING = 255, 1_900
"""How many bytes of UTF-8 a meaning may have: the Data Catalog keeps 255 of a column's, 2,048 of a table's.
https://docs.aws.amazon.com/glue/latest/webapi/API_Column.html"""
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
ARRIVALS, STREAMS = "incoming/", "incoming/stream/"
"""Where raw objects arrive, and where those do that a stream delivers."""
_OF_DELIVERIES = (
    *("aliases", "spellings", "max_days_before_delivery", "max_days_after_delivery"),
    *("formats", "timezone", "true_words", "false_words"),
)
"""What only a column that is read from raw objects can have."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its meaning, and the rules that its value must meet for the row to be valid."""

    name: str
    type: str
    """As the contract writes it."""
    meaning: str
    required: bool = False
    pii: bool = False
    aliases: tuple[str, ...] = ()
    """Other names of the field in deliveries."""
    pattern: str | None = None
    """A regular expression that must match the whole string."""
    allowed: tuple[str, ...] = ()
    minimum: str | None = None
    maximum: str | None = None
    max_length: int | None = None
    not_before: str | None = None
    """Another date column that this one must not be earlier than, if both have values."""
    spellings: tuple[tuple[str, str], ...] = ()
    """Alternative texts in lower case, and the allowed value of each; case is ignored."""
    max_days_before_delivery: int | None = None
    """A date or time must not be more than this many days (UTC) before the delivery of its object."""
    max_days_after_delivery: int | None = None
    """Nor this many days after it."""
    formats: tuple[str, ...] = ()
    """What a date or time is written like, in the words of ``strftime``; without, as RFC 3339 has it."""
    timezone: str | None = None
    """The zone of times that are written without an offset."""
    true_words: tuple[str, ...] = ()
    false_words: tuple[str, ...] = ()
    """What a boolean is written like, instead of ``true`` and ``false``; case is ignored."""

    @property
    def kind(self) -> Type:
        """The type."""
        return parse_type(self.type)


@dataclass(frozen=True, slots=True)
class Check:
    """A threshold for each object: an object that does not meet it is withheld as a whole.

    For a table made from other tables: the table is not published.
    """

    kind: CheckKind
    bound: Decimal
    column: str | None = None

    @property
    def sentence(self) -> str:
        """The check in words, for reports."""
        subject = f"{self.kind} of {self.column}" if self.column else self.kind
        return f"{subject} {'at most' if self.kind.endswith('_ratio') else 'at least'} {self.bound}"


@dataclass(frozen=True, slots=True)
class Csv:
    """The dialect of a table's CSV objects. The marks of numbers are defaults for every other format."""

    delimiter: str = ","
    quote: str = '"'
    """What a field may be put between, and doubled within it; ``""``: a quote is a character like others."""
    header: bool = True
    """The first record names the columns; without, they are those of the contract, in its order."""
    encoding: str = "utf-8"
    decimal_mark: str = "."
    thousands_mark: str = ""
    """What may stand between the digits before the decimal mark; ``""``: nothing."""


@dataclass(frozen=True, slots=True)
class Source:
    """Which raw objects have the table's rows, and their format."""

    arrives: Arrives
    """As files that somebody drops, or as records of a stream."""
    prefix: str
    format: Format
    wins: Wins
    """Which of several rows with the same key is kept: that of the first delivery, or of the latest."""
    unknown_columns: Unknown
    """Fields that are not in the contract: kept as JSON in the column ``extra``, or their rows are
    rejected."""
    csv: Csv = Csv()


@dataclass(frozen=True, slots=True)
class Input:
    """A silver table that a gold table is made of."""

    table: str
    by: str | None = None
    """The day of both tables: of this one's, only those that changed are read and made anew. Else all is."""


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract of one table."""

    table: str
    meaning: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    checks: tuple[Check, ...]
    sha256: str
    """SHA-256 of the document it was read from, in UTF-8."""
    source: Source | None = None
    """Where its rows come from; ``None`` for a table made from other tables."""
    inputs: tuple[Input, ...] = ()
    """The tables it is made from, for one that is."""
    sql: str | None = None
    """What makes its rows of them: one SELECT, in Spark SQL, over tables of their names."""
    python: str | None = None
    """Or a Python module with a function ``rows(spark, inputs)``, where SQL will not do."""
    day: tuple[str, str] | None = None
    """The partition column, one of the key, and the timestamp of which it is the UTC day."""

    @property
    def rejected_table(self) -> str:
        """The name of the table with the rejected rows."""
        return f"{self.table}{REJECTED}"

    @property
    def aliases(self) -> dict[str, tuple[str, ...]]:
        """By column, its other names, which may be earlier ones."""
        return {column.name: column.aliases for column in self.columns}

    @property
    def by(self) -> str | None:
        """The day by which a table made from others is made; ``None`` for one that is always made whole."""
        return next((item.by for item in self.inputs if item.by), None)

    def raw(self) -> Source:
        """The source of the rows. Raises ``UsageError`` for a table that has no raw objects."""
        if self.source is None:
            raise UsageError(f"The table {self.table} is made from other tables; it has no raw objects.")
        return self.source


class _Mapping:
    """One mapping of the document; each field is taken out once, and remaining fields are an error."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise UsageError(f"The contract's {where} is not a mapping of names.")
        self._left = dict(value)
        self.where = where

    def error(self, name: str, what: str) -> UsageError:
        return UsageError(f"The contract's {self.where}.{name} {what}.")

    def take(self, name: str, kind: type[Any], default: object = ...) -> Any:
        value = self._left.pop(name, default)
        if value is ...:
            raise self.error(name, "is missing")
        if value is not default and (
            not isinstance(value, kind) or isinstance(value, bool) != (kind is bool)
        ):
            raise self.error(name, f"is not of type {kind.__name__}")
        return value

    def choice(self, name: str, options: object, default: object = ...) -> Any:
        value = self.take(name, str, default)
        if value not in get_args(options):
            raise self.error(name, f"is {value!r}, not one of {', '.join(get_args(options))}")
        return value

    def meaning(self, most: int) -> str:
        text: str = self.take("meaning", str)
        if (size := len(text.encode(errors="replace"))) > most:
            raise self.error("meaning", f"has {size} bytes, of {most} at most")
        return text

    def values(self, name: str) -> tuple[str, ...]:
        """Texts, each of which a value can be."""
        found = self.texts(name)
        self.assert_values(name, found)
        return found

    def assert_values(self, name: str, texts: Iterable[str]) -> None:
        for text in texts:
            if _NO_VALUE.search(text):
                raise self.error(
                    name,
                    f"has {text!r}, which no value is: whitespace is collapsed and trimmed, and control "
                    "characters are refused",
                )

    def texts(self, name: str) -> tuple[str, ...]:
        values = self.take(name, list, [])
        if not all(isinstance(value, str) and value for value in values) or len(set(values)) != len(values):
            raise self.error(name, "is not a list of different texts (quote NO, ON and numbers)")
        return tuple(values)

    def end(self) -> None:
        for name in self._left:
            raise self.error(name, "is unknown")


def parse_contract(text: str | bytes) -> Contract:
    """Read one contract. Raises ``UsageError`` naming the first error."""
    fields = _Mapping(_load(text), "document")
    table = _name(fields, fields.take("table", str), "table")
    if table.endswith(REJECTED):
        raise fields.error("table", f"is {table!r}: so the quarantine of another table would be called")
    listed = fields.take("columns", list)
    columns = tuple(_column(_Mapping(item, f"columns[{index}]")) for index, item in enumerate(listed))
    by_name = {column.name: column for column in columns}
    names = [name for column in columns for name in (column.name, *column.aliases)]
    if len(set(names)) != len(names):
        raise fields.error("columns", "names a column (or an alias) twice")
    day = _day(fields, by_name)
    key = fields.texts("key")
    known = {*by_name, *(day or ())}
    if not key or not known.issuperset(key):
        raise fields.error("key", "is not a list of columns of the table")
    if day is not None and day[0] not in key:
        raise fields.error("key", f"lacks {day[0]}: rows are looked for only among those of their day")
    for column in columns:
        if column.name in key and not column.required:
            raise fields.error("key", f"has {column.name}, which is not required")
        if column.name in key and column.kind.name in _NOT_KEYS:
            raise fields.error(
                "key", f"has {column.name}, a {column.kind.name}: engines compare it differently"
            )
        other = column.not_before and by_name.get(column.not_before)
        if column.not_before and not (other and other is not column and other.type == column.type == "date"):
            raise fields.error(
                "columns", f"has {column.name}.not_before, which is not the name of another date column"
            )
    checks = tuple(
        _check(_Mapping(item, f"checks[{index}]"), by_name)
        for index, item in enumerate(fields.take("checks", list, []))
    )
    source = fields.take("source", dict, None)
    inputs = tuple(
        _input(_Mapping(item, f"inputs[{index}]"), by_name)
        for index, item in enumerate(fields.take("inputs", list, []))
    )
    contract = Contract(
        table=table,
        meaning=fields.meaning(_TABLE_MEANING),
        key=key,
        columns=columns,
        checks=checks,
        sha256=hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest(),
        source=None if source is None else _source(_Mapping(source, "source")),
        inputs=inputs,
        sql=fields.take("sql", str, None),
        python=fields.take("python", str, None),
        day=day,
    )
    fields.end()
    _assert_made_one_way(fields, contract)
    return contract


def assert_inputs(contract: Contract, tables: Mapping[str, Contract]) -> None:
    """Raise ``UsageError`` unless a table that is made from others can be made from these."""
    for item in contract.inputs:
        where = f"The contract of {contract.table} names the input {item.table}"
        if (source := tables.get(item.table)) is None:
            raise UsageError(
                f"{where}, and there is no such table.", f"There are {', '.join(sorted(tables))}."
            )
        if source.source is None:
            raise UsageError(f"{where}, which is made from other tables.", "An input is a silver table.")
        if item.by is not None and (source.day is None or source.day[0] != item.by):
            raise UsageError(f"{where} by {item.by}, which is not the day of {item.table}.")


def _load(text: str | bytes) -> object:
    """Read JSON, or else YAML, which needs PyYAML. Raises ``UsageError``."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        import yaml  # noqa: PLC0415 - see the module's docstring
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:  # a date such as 2026-13-01
        raise UsageError(f"The contract is not YAML: {' '.join(str(error).split())}.") from error


def is_name(name: str) -> bool:
    """Whether a table or a column can have this name."""
    return bool(_NAME.fullmatch(name)) and name not in RESERVED and not name.startswith(("source_", "text_"))


def _name(fields: _Mapping, name: str, field: str) -> str:
    if not is_name(name):
        raise fields.error(field, f"is {name!r}, which is not a valid name (a-z, 0-9 and _, not reserved)")
    return name


def _day(fields: _Mapping, columns: Mapping[str, Column]) -> tuple[str, str] | None:
    document = fields.take("day", dict, None)
    if document is None:
        return None
    day = _Mapping(document, "day")
    name, of = _name(day, day.take("column", str), "column"), day.take("of", str)
    day.end()
    column = columns.get(of)
    if name in columns or column is None or column.type != "timestamp" or not column.required:
        raise fields.error("day", "is not a new column, derived from a required timestamp")
    return name, of


def _assert_made_one_way(fields: _Mapping, contract: Contract) -> None:
    if contract.source is not None and contract.inputs:
        raise fields.error("inputs", "stands beside source: a table is made of objects or of tables")
    ways = [way for way in (contract.sql, contract.python) if way is not None]
    if len(ways) > 1:
        raise fields.error("python", "stands beside sql: a table is made by a SELECT or by a function")
    if bool(contract.inputs) != bool(ways):
        raise fields.error("inputs", "and a SELECT or a function go together, and one of them is missing")
    if not contract.inputs:
        return
    if len({item.table for item in contract.inputs}) != len(contract.inputs):
        raise fields.error("inputs", "names a table twice")
    if len({item.by for item in contract.inputs if item.by}) > 1:
        raise fields.error("inputs", "go by different days")
    if contract.day is not None:
        raise fields.error("day", "is for tables that are made of objects: name the day in inputs, as by")
    for column in contract.columns:
        if any(getattr(column, name) not in (None, ()) for name in _OF_DELIVERIES):
            raise fields.error("columns", f"has {column.name} with what only a delivered column has")


def _input(fields: _Mapping, columns: Mapping[str, Column]) -> Input:
    found = Input(_name(fields, fields.take("table", str), "table"), fields.take("by", str, None))
    fields.end()
    day = columns.get(found.by) if found.by is not None else None
    if found.by is not None and (day is None or day.type != "date" or not day.required):
        raise fields.error("by", f"is {found.by!r}, which is no required date of this table")
    return found


def _source(fields: _Mapping) -> Source:
    source = Source(
        arrives=fields.choice("from", Arrives, "files"),
        prefix=fields.take("prefix", str),
        format=fields.choice("format", Format),
        wins=fields.choice("wins", Wins),
        unknown_columns=fields.choice("unknown_columns", Unknown),
        csv=_csv(_Mapping(fields.take("csv", dict, {}), "source.csv")),
    )
    if source.csv != Csv() and source.format != "csv":
        raise fields.error("csv", f"is there, but the format is {source.format}")
    if not source.prefix.endswith("/"):
        raise fields.error("prefix", "does not end in /")
    if not source.prefix.startswith(ARRIVALS):
        raise fields.error("prefix", f"does not begin with {ARRIVALS}")
    if source.prefix.startswith(STREAMS) != (source.arrives == "stream"):
        raise fields.error("prefix", f"is below {STREAMS} if it is from a stream, and only then")
    if source.arrives == "stream" and source.format == "parquet":
        raise fields.error("format", "is parquet, and a stream delivers lines")
    if source.arrives == "stream" and source.format == "csv" and source.csv.header:
        raise fields.error("csv", "has a header, which the objects of a stream have not")
    fields.end()
    return source


def _csv(fields: _Mapping) -> Csv:
    default = Csv()
    csv = Csv(
        delimiter=fields.take("delimiter", str, default.delimiter),
        quote=fields.take("quote", str, default.quote),
        header=fields.take("header", bool, default.header),
        encoding=fields.take("encoding", str, default.encoding),
        decimal_mark=fields.take("decimal_mark", str, default.decimal_mark),
        thousands_mark=fields.take("thousands_mark", str, default.thousands_mark),
    )
    fields.end()
    for name, mark in (("delimiter", csv.delimiter), ("quote", csv.quote or default.quote)):
        if len(mark) != 1 or not mark.isascii() or mark.isalnum() or mark in "\0\r\n":
            raise fields.error(
                name, f"is {mark!r}, not one ASCII character other than letters, digits and line ends"
            )
    if csv.encoding not in ENCODINGS:
        raise fields.error("encoding", f"is {csv.encoding!r}, not one of {', '.join(ENCODINGS)}")
    if csv.decimal_mark not in _DECIMAL_MARKS:
        raise fields.error("decimal_mark", f"is {csv.decimal_mark!r}, neither a point nor a comma")
    if csv.thousands_mark not in _THOUSANDS_MARKS:
        raise fields.error(
            "thousands_mark", f"is {csv.thousands_mark!r}, not a point, comma, apostrophe, _ or space"
        )
    if csv.quote == csv.delimiter:
        raise fields.error("quote", f"is {csv.quote!r}, like the delimiter")
    if csv.decimal_mark == csv.delimiter:
        raise fields.error("decimal_mark", f"is {csv.decimal_mark!r}, like the delimiter")
    if csv.thousands_mark == csv.decimal_mark:
        raise fields.error("thousands_mark", f"is {csv.thousands_mark!r}, like the decimal mark")
    if csv.thousands_mark == csv.delimiter and not csv.quote:
        raise fields.error(
            "thousands_mark", f"is {csv.thousands_mark!r}, like the delimiter, and there is no quote"
        )
    return csv


def _column(fields: _Mapping) -> Column:
    name = _name(fields, fields.take("name", str), "name")
    fields.where = f"column {name}"
    column = Column(
        name=name,
        type=_type(fields),
        meaning=fields.meaning(_COLUMN_MEANING),
        required=fields.take("required", bool, False),
        pii=fields.take("pii", bool, False),
        aliases=fields.texts("aliases"),
        pattern=fields.take("pattern", str, None),
        allowed=fields.values("allowed"),
        minimum=fields.take("minimum", str, None),
        maximum=fields.take("maximum", str, None),
        max_length=fields.take("max_length", int, None),
        not_before=fields.take("not_before", str, None),
        spellings=_spellings(fields),
        max_days_before_delivery=fields.take("max_days_before_delivery", int, None),
        max_days_after_delivery=fields.take("max_days_after_delivery", int, None),
        formats=fields.values("formats"),
        timezone=fields.take("timezone", str, None),
        true_words=fields.values("true_words"),
        false_words=fields.values("false_words"),
    )
    fields.end()
    _assert_readable(fields, column)
    bounds = (column.max_days_before_delivery, column.max_days_after_delivery)
    if any(bound is not None and not 0 <= bound <= MAX_DAYS for bound in bounds):
        raise fields.error("max_days_…_delivery", f"is not a number of days from 0 to {MAX_DAYS}")
    if column.type not in {"date", "timestamp"} and any(bound is not None for bound in bounds):
        raise fields.error("type", "is not a date or timestamp, but has max_days_…_delivery")
    if not {value for _, value in column.spellings} <= set(column.allowed):
        raise fields.error("spellings", "maps to a value that is not in allowed")
    if column.type != "string" and (column.pattern or column.allowed or column.max_length is not None):
        raise fields.error("type", "is not a string, but has pattern, allowed or max_length")
    if column.max_length is not None and column.max_length < 1:
        raise fields.error("max_length", f"is {column.max_length}: no value is so short")
    if any(character < " " for character in column.meaning):
        raise fields.error(
            "meaning", "is not one line, and the Data Catalog takes no other (in YAML, use >-)"
        )
    if any('"' in value or "\\" in value for value in column.allowed):
        raise fields.error("allowed", "contains a quote or a backslash")
    if column.pattern is not None:
        _portable(fields, column.pattern)
    for field, bound in (("minimum", column.minimum), ("maximum", column.maximum)):
        if bound is not None and not _is_bound(column.kind, bound):
            raise fields.error(field, f"is {bound!r}, which is not a valid {column.type}")
    low, high = column.minimum, column.maximum
    if low and high and (low > high if column.type == "date" else Decimal(low) > Decimal(high)):
        raise fields.error("minimum", f"is {low!r}, over the maximum: no value is allowed")
    return column


def _type(fields: _Mapping) -> str:
    text: str = fields.take("type", str)
    try:
        parse_type(text)
    except ValueError as error:
        raise fields.error("type", f"is {text!r}, {error}") from error
    return text


def _spellings(fields: _Mapping) -> tuple[tuple[str, str], ...]:
    """Each alternative text and its value; the document lists the texts by value."""
    by_value = fields.take("spellings", dict, {})
    found: dict[str, str] = {}
    for value, texts in by_value.items():
        if not isinstance(value, str) or not isinstance(texts, list):
            raise fields.error("spellings", "does not list texts by value (quote NO, ON and numbers)")
        for text in texts:
            if not isinstance(text, str) or not text or text.lower() in found:
                raise fields.error("spellings", f"has {text!r}, which is not a text, or is there twice")
            found[text.lower()] = value
    fields.assert_values("spellings", found)
    return tuple(sorted(found.items()))


def _portable(fields: _Mapping, pattern: str) -> None:
    """Raise ``UsageError`` for a pattern that engines might interpret differently."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise fields.error("pattern", f"is not a regular expression: {error}") from error
    if (
        re.search(r'[\\"$]|(?<!\[)\^|\(\?|&&|\[\[|[*+?}][+?]|\{,|\{[0-9,]*[0-9]{4}', pattern)
        or not pattern.isascii()
    ):
        raise fields.error(
            "pattern",
            r'contains one of \ " ^ $ (? && [[ *? *+ {, {1000}, which engines interpret differently',
        )


def _assert_readable(fields: _Mapping, column: Column) -> None:
    """Raise ``UsageError`` for a way to read a value that its type does not have, or that is not clear."""
    kind = column.kind.name
    if column.formats and kind not in {"date", "timestamp"}:
        raise fields.error("formats", "are for a date or timestamp")
    zoned = not column.formats
    for text in column.formats:
        try:
            _, names = parse_format(text, kind)
        except ValueError as error:
            raise fields.error("formats", f"has {text!r}, which {error}") from error
        zoned = zoned or (kind == "timestamp" and "offset" not in names)
        if kind == "timestamp" and "offset" not in names and column.timezone is None:
            raise fields.error("formats", f"has {text!r} without %z, and there is no timezone")
    if column.timezone is not None and (kind != "timestamp" or not _ZONE.fullmatch(column.timezone)):
        raise fields.error("timezone", f"is {column.timezone!r}: it is the IANA name of a timestamp's zone")
    if column.timezone is not None and not zoned:
        raise fields.error("timezone", "is there, and every format has %z")
    words = [word.lower() for word in (*column.true_words, *column.false_words)]
    if words and kind != "boolean":
        raise fields.error("true_words", "and false_words are for a boolean")
    if bool(column.true_words) != bool(column.false_words) or len({*words}) != len(words):
        raise fields.error("true_words", "and false_words stand together, and have no word twice in any case")


def _is_bound(kind: Type, bound: str) -> bool:
    """Whether a text is exactly a value of the type, as every engine reads it."""
    if kind.name not in _ORDERED or not _BOUNDS[kind.name].fullmatch(bound):
        return False
    if kind.name == "date":
        try:
            return bool(date.fromisoformat(bound))
        except ValueError:
            return False
    whole, _, places = bound.lstrip("-").partition(".")
    return kind.name != "decimal" or (
        len(whole.lstrip("0")) <= kind.digits - kind.places and len(places) <= kind.places
    )


def _check(fields: _Mapping, columns: Mapping[str, Column]) -> Check:
    kind = cast("CheckKind", fields.choice("kind", CheckKind))
    bound_name = "at_most" if kind.endswith("_ratio") else "at_least"
    text = fields.take(bound_name, str)
    column = fields.take("column", str) if kind == "completeness" else None
    fields.end()
    if not _BOUND.fullmatch(text):
        raise fields.error(bound_name, f"is {text!r}, which is not a number such as 10 or 0.05")
    bound = Decimal(text)
    if bound != int(bound) if kind == "row_count" else bound > 1:
        raise fields.error(bound_name, "is out of range (rows: whole; ratios and completeness: 0 to 1)")
    if column is not None and column not in columns:
        raise fields.error("column", f"is {column!r}, which is not a column of the table")
    return Check(kind, bound, column)
