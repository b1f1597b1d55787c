"""Glue tables as Athena reads them: columns, views, projected partitions, and the rows in an object's bytes.

Partition projection: https://docs.aws.amazon.com/athena/latest/ug/partition-projection-supported-types.html
JSON SerDes: https://docs.aws.amazon.com/athena/latest/ug/json-serde.html
CloudTrail: https://docs.aws.amazon.com/athena/latest/ug/cloudtrail-logs.html
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from scripts.local_aws.athena.model import QueryError, Store
from scripts.local_aws.athena.scope import Column, View
from scripts.local_aws.athena.types import INTEGERS, VARCHAR, Type, parse_type

if TYPE_CHECKING:
    import pyarrow as pa

_JSON_SERDES = (
    "org.openx.data.jsonserde.JsonSerDe",
    "org.apache.hive.hcatalog.data.JsonSerDe",
    "com.amazon.emr.hive.serde.CloudTrailSerde",
)
_CLOUDTRAIL_INPUT = "com.amazon.emr.cloudtrail.CloudTrailInputFormat"
_TEXT_INPUT = "org.apache.hadoop.mapred.TextInputFormat"
_HARMLESS_SERDE_PARAMETERS = {
    "serialization.format": "1",
    "case.insensitive": "true",
    "ignore.malformed.json": None,
}
_VIEW_TEXT = re.compile(r"/\*\s*Presto View:\s*([A-Za-z0-9+/=\s]+?)\s*\*/")


@dataclass(frozen=True, slots=True)
class Projection:
    """The values a partition column can take, as a pattern of their text and a test of it."""

    pattern: str
    accepts: Callable[[str], bool] = field(compare=False)


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table of JSON objects in S3."""

    bucket: str
    prefix: str
    columns: tuple[tuple[str, Type], ...]
    partition_columns: tuple[tuple[str, Type], ...]
    layout: re.Pattern[str]
    projections: tuple[Projection, ...]
    keys: tuple[str, ...]
    records: bool
    ignore_malformed: bool

    @property
    def order(self) -> tuple[int, ...]:
        """The place of each column of ``SELECT *`` among ``columns``, then ``partition_columns``."""
        return tuple(range(len(self.columns) + len(self.partition_columns)))

    def objects(self, store: Store) -> Iterator[tuple[tuple[str, ...], str, int, str]]:
        """Yield values of the partition, key, size and etag of each object that the table reads."""
        for key, size, etag in store.list(self.bucket, self.prefix):
            values = self.partition_of(key)
            if values is not None:
                yield values, key, size, etag

    def partition_of(self, key: str) -> tuple[str, ...] | None:
        """Return the values of the partition an object lies in; ``None`` if the table does not read it.

        Athena skips objects of which the name starts with ``.`` or ``_``, and empty folder markers.
        """
        name = key.rpartition("/")[2]
        match = self.layout.match(key)
        if match is None or not name or name[0] in "._":
            return None
        values = tuple(match[f"p{at}"] for at in range(len(self.partition_columns)))
        accepted = all(p.accepts(value) for p, value in zip(self.projections, values, strict=True))
        return values if accepted else None


def read_view(table: Mapping[str, Any]) -> View:
    """Decode a view: ``/* Presto View: <base64 of a JSON document> */``, as Athena stores it.

    Raises ``QueryError`` if it is no such text, or if the columns in Glue are not those of the document.
    """
    name = table["Name"]
    match = _VIEW_TEXT.fullmatch((table.get("ViewOriginalText") or "").strip())
    try:
        document = json.loads(base64.b64decode(match[1] if match else ""))
        columns = tuple(Column(c["name"].lower(), parse_type(c["type"])) for c in document["columns"])
        view = View(document["originalSql"], document["schema"].lower(), columns)
    except (TypeError, KeyError, AttributeError, ValueError, binascii.Error) as error:
        raise QueryError("INVALID_VIEW", f"view '{name}' holds no Presto view: {error}") from error
    declared = [column["Name"].lower() for column in table["StorageDescriptor"]["Columns"]]
    if declared != [column.name for column in columns]:
        raise QueryError("INVALID_VIEW", f"the columns of view '{name}' in Glue are not those of its query")
    return view


def read_table(table: Mapping[str, Any], now: datetime) -> StoredTable:
    """Read a Glue table of JSON objects. ``now`` is the end of date ranges up to ``NOW``.

    Raises ``QueryError`` for an unsupported format or projection.
    """
    storage, name = table["StorageDescriptor"], table["Name"]
    serde = storage.get("SerdeInfo") or {}
    library, input_format = serde.get("SerializationLibrary"), storage.get("InputFormat")
    if library not in _JSON_SERDES or input_format not in (_CLOUDTRAIL_INPUT, _TEXT_INPUT):
        raise QueryError("NOT_SUPPORTED", f"table '{name}' of {library} over {input_format}")
    columns = _columns(storage["Columns"])
    parameters = {k.lower(): v for k, v in (table.get("Parameters") or {}).items()}
    options = {k.lower(): v for k, v in (serde.get("Parameters") or {}).items()}
    mapped = {k.removeprefix("mapping."): v.lower() for k, v in options.items() if k.startswith("mapping.")}
    for option, value in options.items():
        harmless = _HARMLESS_SERDE_PARAMETERS.get(option, "")
        known = (
            option.startswith("mapping.") or option in ("paths", "ignore.malformed.json") or harmless == value
        )
        if not known:
            raise QueryError("NOT_SUPPORTED", f"SerDe parameter {option}={value} of table '{name}'")
    bucket, prefix = location(storage["Location"])
    partition_columns = _columns(table.get("PartitionKeys") or [])
    template = f"{storage['Location'].rstrip('/')}/"
    projections: tuple[Projection, ...] = ()
    if partition_columns:
        if parameters.get("projection.enabled", "").lower() != "true":
            raise QueryError("NOT_SUPPORTED", f"table '{name}' has partitions without projection")
        default = template + "/".join(f"{column}=${{{column}}}" for column, _ in partition_columns)
        template = parameters.get("storage.location.template", default).rstrip("/") + "/"
        projections = tuple(_projection(column, parameters, now) for column, _ in partition_columns)
        bucket, prefix = location(template.partition("${")[0])
    return StoredTable(
        bucket=bucket,
        prefix=prefix,
        columns=columns,
        partition_columns=partition_columns,
        layout=_layout(template, [column for column, _ in partition_columns], projections, name),
        projections=projections,
        keys=tuple(mapped.get(column, column) for column, _ in columns),
        records=input_format == _CLOUDTRAIL_INPUT,
        ignore_malformed=options.get("ignore.malformed.json", "false").lower() == "true",
    )


def _columns(columns: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, Type], ...]:
    try:
        return tuple(
            (column["Name"].lower(), parse_type(column.get("Type") or "string")) for column in columns
        )
    except ValueError as error:
        raise QueryError("NOT_SUPPORTED", str(error)) from error


def location(uri: str) -> tuple[str, str]:
    """Return the bucket and the prefix of a location. Raises ``QueryError`` if it is none in S3."""
    match = re.match(r"s3://([^/]+)/?(.*)", uri, re.DOTALL)
    if match is None:
        raise QueryError("INVALID_TABLE_PROPERTY", f"{uri!r} is no S3 location")
    return match[1], match[2]


def _layout(
    template: str, columns: Sequence[str], projections: Sequence[Projection], name: str
) -> re.Pattern[str]:
    """Return the pattern of the keys beneath a location template, with a group ``p<n>`` for each column."""
    pattern, seen = "", set()
    for literal, variable in re.findall(r"([^$]+|\$(?!\{))|\$\{([^}]*)\}", location(template)[1]):
        if literal:
            pattern += re.escape(literal)
        elif variable.lower() in columns:
            at = columns.index(variable.lower())
            pattern += f"(?P=p{at})" if at in seen else f"(?P<p{at}>{projections[at].pattern})"
            seen.add(at)
        else:
            raise QueryError(
                "INVALID_TABLE_PROPERTY", f"${{{variable}}} is no partition column of table '{name}'"
            )
    if len(seen) != len(columns):
        raise QueryError(
            "INVALID_TABLE_PROPERTY", f"the location template of '{name}' lacks a partition column"
        )
    return re.compile(pattern, re.DOTALL)


def _projection(column: str, parameters: Mapping[str, str], now: datetime) -> Projection:
    def setting(key: str, default: str = "") -> str:
        return parameters.get(f"projection.{column}.{key}", default)

    kind = setting("type").lower()
    if kind == "enum":
        values = [value.strip() for value in setting("values").split(",")]
        longest_first = sorted(values, key=len, reverse=True)
        return Projection("|".join(map(re.escape, longest_first)), lambda value: value in values)
    if kind == "integer":
        least, most = (int(part) for part in setting("range").split(","))
        digits = int(setting("digits", "0"))
        return Projection(rf"-?\d{{{digits or '1,'}}}", lambda value: least <= int(value) <= most)
    if kind == "date":
        written = setting("format")
        if int(setting("interval", "1")) != 1:
            raise QueryError("NOT_SUPPORTED", f"projection.{column}.interval")
        pattern, reading = _date_format(written)
        low, high = (_bound(part.strip(), reading, now) for part in setting("range").split(","))

        def within(value: str) -> bool:
            try:
                moment = datetime.strptime(value, reading).replace(tzinfo=UTC)
            except ValueError:
                return False
            return low <= moment <= high

        return Projection(pattern, within)
    raise QueryError("NOT_SUPPORTED", f"projection.{column}.type = {kind!r}")


_DATE_PARTS = {
    "yyyy": (r"\d{4}", "%Y"),
    "MM": (r"\d{2}", "%m"),
    "dd": (r"\d{2}", "%d"),
    "HH": (r"\d{2}", "%H"),
    "mm": (r"\d{2}", "%M"),
    "ss": (r"\d{2}", "%S"),
}


def _date_format(written: str) -> tuple[str, str]:
    """Turn a ``java.time`` pattern into a regular expression and a ``strptime`` format."""
    pattern = reading = ""
    for part in re.findall(r"yyyy|MM|dd|HH|mm|ss|'[^']*'|[^A-Za-z']", written):
        known = _DATE_PARTS.get(part)
        literal = part.strip("'")
        pattern += known[0] if known else re.escape(literal)
        reading += known[1] if known else literal.replace("%", "%%")
    if re.sub(r"yyyy|MM|dd|HH|mm|ss|'[^']*'|[^A-Za-z']", "", written):
        raise QueryError("NOT_SUPPORTED", f"the date format {written!r} of a projection")
    return pattern, reading


def _bound(written: str, reading: str, now: datetime) -> datetime:
    """Read an end of a date range: a date in the column's format, ``NOW``, or ``NOW-3YEARS`` and its like.

    A month or year back is counted generously (31, 366 days): a partition too many is only empty.
    """
    match = re.fullmatch(r"NOW(?:\s*([+-])\s*(\d+)\s*(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE)S?)?", written)
    if match is None:
        try:
            return datetime.strptime(written, reading).replace(tzinfo=UTC)
        except ValueError as error:
            raise QueryError("INVALID_TABLE_PROPERTY", f"projection range: {error}") from error
    sign, count, unit = match.groups()
    if not sign:
        return now
    if unit in ("HOUR", "MINUTE"):
        step = timedelta(hours=int(count)) if unit == "HOUR" else timedelta(minutes=int(count))
    else:
        step = timedelta(days=int(count) * {"YEAR": 366, "MONTH": 31, "WEEK": 7, "DAY": 1}[unit])
    return now + step if sign == "+" else now - step


# --- Records

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RECORD_LIST = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_ANY = msgspec.json.Decoder()


def rows(table: StoredTable, key: str, body: bytes) -> Iterator[list[Any]]:
    """Yield the rows in an object: a value for each column, as ``arrow_type`` has the column's type.

    Raises ``QueryError`` (``HIVE_CURSOR_ERROR``, ``HIVE_BAD_DATA``) where Athena does.
    """
    if key.endswith(".gz"):
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError, zlib.error) as error:
            raise QueryError("HIVE_CURSOR_ERROR", f"Failed to read file: {key}: {error}") from error
    elif re.search(r"\.(bz2|zst|snappy|lz4|deflate)$", key):
        raise QueryError("NOT_SUPPORTED", f"the compression of {key}")
    if not body.isascii():
        # Hadoop's Text, which hands lines to a SerDe, puts U+FFFD where bytes are not UTF-8
        body = body.decode(errors="replace").encode()
    names, lowered = table.keys, _Lowered()
    readers = [_read_text if kind == VARCHAR else _reader(kind) for _, kind in table.columns]
    for record in _objects(table, key, body):
        named = {lowered[name]: raw for name, raw in record.items()}
        try:
            yield [
                reader(named[name]) if name in named else None
                for name, reader in zip(names, readers, strict=True)
            ]
        except (ValueError, TypeError, KeyError, msgspec.MsgspecError) as error:
            raise QueryError("HIVE_BAD_DATA", f"Error parsing a field value in {key}: {error}") from error


class _Lowered(dict[str, str]):
    """Names in lower case, each made once."""

    def __missing__(self, name: str) -> str:
        self[name] = name.lower()
        return self[name]


def _objects(table: StoredTable, key: str, body: bytes) -> Iterator[dict[str, msgspec.Raw]]:
    try:
        if table.records:
            document = {name.lower(): raw for name, raw in _OBJECT.decode(body).items()}
            yield from _RECORD_LIST.decode(document.get("records", b"[]"))
            return
        for line in body.removesuffix(b"\n").split(b"\n") if body else ():
            try:
                yield _OBJECT.decode(line) if line.strip() else {}
            except msgspec.DecodeError:
                if not table.ignore_malformed:
                    raise
                yield {}
    except msgspec.MsgspecError as error:
        raise QueryError("HIVE_CURSOR_ERROR", f"Row is not a valid JSON Object in {key}: {error}") from error


def _read_text(raw: msgspec.Raw) -> str | None:
    """Read a text; keep anything else (an object, a number) as the JSON it was written in."""
    written = bytes(raw)
    if written[:1] == b'"' or written == b"null":
        text: str | None = _ANY.decode(written)
        return text
    return written.decode()


def _reader(kind: Type) -> Callable[[msgspec.Raw], Any]:
    """Return what reads a field's JSON as a column's type; what is written alike, as callers are, once."""
    shape = _shape(kind)
    read = lru_cache(1000)(lambda written: shape(_ANY.decode(written)))
    return lambda raw: read(bytes(raw))


def _shape(kind: Type) -> Callable[[Any], Any]:
    """Return what fits a decoded JSON value to a type: ``ValueError`` and its like if it does not fit."""
    shape = _SHAPES[kind.name](kind) if kind.name in _SHAPES else _unshaped(kind)
    return lambda value: None if value is None else shape(value)


def _unshaped(kind: Type) -> Callable[[Any], Any]:
    def shape(value: Any) -> Any:
        raise ValueError(f"a {kind} in JSON")

    return shape


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _array(kind: Type) -> Callable[[Any], Any]:
    item = _shape(kind.args[0])
    return lambda value: [item(each) for each in _expect(value, list)]


def _map(kind: Type) -> Callable[[Any], Any]:
    shape = _shape(kind.args[1])
    return lambda value: [(name, shape(each)) for name, each in _expect(value, dict).items()]


def _row(kind: Type) -> Callable[[Any], Any]:
    lowered, count = _Lowered(), len(kind.fields)
    shapes = {
        name.lower(): (at, _shape(inner))
        for at, (name, inner) in enumerate(zip(kind.fields, kind.args, strict=True))
    }

    def shape(value: Any) -> tuple[Any, ...]:
        row = [None] * count
        for name, each in _expect(value, dict).items():
            found = shapes.get(lowered[name])
            if found is not None:
                row[found[0]] = found[1](each)
        return tuple(row)

    return shape


def _boolean(value: Any) -> bool:
    return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]


def _integer(value: Any) -> int:
    return int(value) if isinstance(value, str) else int(_expect(value, int))


def _date(value: Any) -> str:
    return date.fromisoformat(_expect(value, str)).isoformat()


def _timestamp(value: Any) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,9})?", _expect(value, str)):
        raise ValueError(f"{value!r} is no timestamp")
    return str(value)


_SHAPES: dict[str, Callable[[Type], Callable[[Any], Any]]] = {
    "varchar": lambda _: _text,
    "array": _array,
    "map": _map,
    "row": _row,
    "boolean": lambda _: _boolean,
    **dict.fromkeys(INTEGERS, lambda _: _integer),
    "double": lambda _: float,
    "real": lambda _: float,
    "decimal": lambda _: str,
    "date": lambda _: _date,
    "timestamp": lambda _: _timestamp,
}


def arrow_type(kind: Type) -> pa.DataType:
    """Return the Arrow type of what ``rows`` has for a type; DuckDB casts it to its own."""
    import pyarrow as pa  # noqa: PLC0415 - as there

    match kind.name:
        case "array":
            return pa.list_(arrow_type(kind.args[0]))
        case "map":
            return pa.map_(pa.string(), arrow_type(kind.args[1]))
        case "row":
            inner = zip(kind.fields, kind.args, strict=True)
            return pa.struct([(name, arrow_type(each)) for name, each in inner])
        case "boolean":
            return pa.bool_()
        case "double" | "real":
            return pa.float64()
        case name:
            return pa.int64() if name in INTEGERS else pa.string()


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{value!r:.60} is no {kind.__name__}")
    return value
