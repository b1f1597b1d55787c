"""Functions of texts, URLs and bytes.

https://trino.io/docs/current/functions/string.html, functions/url.html and functions/binary.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from scripts.local_aws.athena.casts import Typed
from scripts.local_aws.athena.functions.building import (
    Argument,
    Builder,
    Lambda,
    NoOverloadError,
    as_text,
    as_type,
    common,
    form,
    typed,
)
from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives import native
from scripts.local_aws.athena.natives.texts import SPACES
from scripts.local_aws.athena.types import (
    BIGINT,
    BOOLEAN,
    UUID,
    VARBINARY,
    VARCHAR,
    Type,
    array,
    quote_text,
)

_ASCII = quote_text(r"[\x00-\x7F]*")


def _joined(arguments: Sequence[Argument]) -> Typed:
    """Build ``concat``: of texts, bytes or arrays; an element beside an array is one more of it."""
    values = typed(arguments)
    if len(values) < 2:
        raise QueryError("INVALID_FUNCTION_ARGUMENT", "There must be two or more concatenation arguments")
    if all(value.type.name == "char" for value in values):
        return Typed(
            _all(value.sql for value in values), Type("char", params=(sum(v.type.params[0] for v in values),))
        )
    if any(value.type.name == "char" for value in values):
        return Typed(_all(map(as_text, values)), VARCHAR)
    if any(value.type.name == "array" for value in values):
        return _joined_arrays(values)
    sqls, found = common(values)
    if found.name not in ("varchar", "varbinary"):
        raise NoOverloadError
    return Typed(_all(sqls), found)


def _all(sqls: Sequence[str] | object) -> str:
    return f"({' || '.join(sqls)})"  # type: ignore[arg-type]


def _joined_arrays(values: Sequence[Typed]) -> Typed:
    arrays = [v if v.type.name == "array" else Typed(f"[{v.sql}]", array(v.type)) for v in values]
    sqls, found = common(arrays)
    missing = " OR ".join(
        f"{sql} IS NULL" for sql, value in zip(sqls, values, strict=True) if value.type.name == "array"
    )
    return Typed(f"CASE WHEN {missing} THEN NULL ELSE list_concat({', '.join(sqls)}) END", found)


def _concat_ws(arguments: Sequence[Argument]) -> Typed:
    separator, *values = typed(arguments)
    if len(values) == 1 and values[0].type.name == "array":
        parts = as_type(values[0], array(VARCHAR))
        return Typed(f"array_to_string({parts}, {as_type(separator, VARCHAR)})", VARCHAR)
    if not values:
        raise NoOverloadError
    sqls = [as_type(value, VARCHAR) for value in (separator, *values)]
    return Typed(f"concat_ws({', '.join(sqls)})", VARCHAR)


def _length(arguments: Sequence[Argument]) -> Typed:
    (value,) = typed(arguments, 1)
    if value.type == VARBINARY:
        return Typed(f"octet_length({value.sql})", BIGINT)
    return Typed(f"length({as_text(value)})", BIGINT)


def _cased(name: str) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        (value,) = typed(arguments, 1)
        sql = as_text(value)
        result = value.type if value.type.name == "char" else VARCHAR
        changed = (
            f"CASE WHEN regexp_full_match({sql}, {_ASCII}) THEN {name}({sql}) ELSE {native(name, sql)} END"
        )
        return Typed(changed, result)

    return build


def trimmed(name: str, value: Argument, characters: Argument | None) -> Typed:
    """Write ``trim``, ``ltrim`` or ``rtrim``: of whitespace, or of the characters given."""
    sql = as_text(value)
    if characters is None:
        result = Typed(f"{name}({sql}, {quote_text(SPACES)})", VARCHAR)
    else:
        side = {"ltrim": "left", "rtrim": "right"}.get(name, "both")
        result = Typed(native("trim", sql, as_text(characters), quote_text(side)), VARCHAR)
    if isinstance(value, Typed) and value.type.name == "char":
        return Typed(f"rtrim({result.sql}, ' ')", VARCHAR)
    return result


def _trim(name: str) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        value, *characters = typed(arguments, 1, 2)
        return trimmed(name, value, characters[0] if characters else None)

    return build


def _substr(arguments: Sequence[Argument]) -> Typed:
    value, *numbers = typed(arguments, 2, 3)
    start, *length = map(_count, numbers)
    if value.type == VARBINARY:
        return Typed(
            native("bytes_part", value.sql, start, length[0] if length else f"octet_length({value.sql})"),
            VARBINARY,
        )
    sql = as_text(value)
    nothing = f"{start} = 0 OR -({start}) > length({sql})" + (f" OR {length[0]} <= 0" if length else "")
    count = f", least({length[0]}, 2147483647)" if length else ""
    if any(word.lstrip("-(").rstrip(")").isdigit() for word in (start, *length)):
        part = f"substr({sql}, greatest(least({start}, 2147483647), -2147483648){count})"
    else:
        part = native("substr", sql, start, length[0] if length else "9223372036854775807")
    missing = " OR ".join(f"{each} IS NULL" for each in (sql, start, *length))
    return Typed(f"CASE WHEN {missing} THEN NULL WHEN {nothing} THEN '' ELSE {part} END", VARCHAR)


def _count(number: Argument) -> str:
    """Return a number as a bigint, a literal as it is written."""
    converted = as_type(number, BIGINT)
    return number.sql if isinstance(number, Typed) and number.sql.isdigit() else converted


def _reverse(arguments: Sequence[Argument]) -> Typed:
    (value,) = typed(arguments, 1)
    if value.type.name == "array":
        return Typed(f"list_reverse({value.sql})", value.type)
    if value.type == VARBINARY:
        return Typed(native("bytes_reverse", value.sql), VARBINARY)
    sql = as_text(value)
    return Typed(native("reverse", sql), value.type if value.type.name == "char" else VARCHAR)


def _pad(*, left: bool) -> Builder:
    how = "true" if left else "false"

    def build(arguments: Sequence[Argument]) -> Typed:
        value, length, padding = typed(arguments, 3)
        count = as_type(length, BIGINT)
        if value.type == VARBINARY:
            return Typed(native("bytes_pad", value.sql, count, as_type(padding, VARBINARY), how), VARBINARY)
        return Typed(native("pad", as_text(value), count, as_text(padding), how), VARCHAR)

    return build


def _split_to_map(*, many: bool) -> Builder:
    def build(arguments: Sequence[Argument]) -> Typed:
        if not many and len(arguments) == 4:
            raise QueryError("NOT_SUPPORTED", "split_to_map with a function for a key that is there twice")
        sqls = [as_type(value, VARCHAR) for value in typed(arguments, 3)]
        entries = native("split_to_map", *sqls, "true" if many else "false")
        if not many:
            return Typed(f"map_from_entries({entries})", Type("map", (VARCHAR, VARCHAR)))
        keys = "list_distinct(list_transform(v.e, lambda x: x.k))"
        ordered = f"list_sort({keys}, 'ASC')"
        of_key = "list_transform(list_filter(v.e, lambda x: x.k = y), lambda z: z.v)"
        values = f"list_transform({ordered}, lambda y: {of_key})"
        made = f"list_transform([{{'e': {entries}}}], lambda v: map({ordered}, {values}))[1]"
        return Typed(
            f"CASE WHEN {entries} IS NOT NULL THEN {made} END", Type("map", (VARCHAR, array(VARCHAR)))
        )

    return build


# --- Patterns


_ATOM = (
    r"(?:[^\\()\[\]{}.*+?|^$]|\\[dw./:^$*+?|(){}\[\]-]|\.|\[\^?[A-Za-z0-9_ .:/]+(?:-[A-Za-z0-9])?\])"
    r"(?:[*+?]\??|\{\d{1,3}(?:,\d{0,3})?\}\??)?"
)
_PLAIN = re.compile(rf"\^?(?:{_ATOM}|\((?:{_ATOM})+\)|\(\?:(?:{_ATOM})+(?:\|(?:{_ATOM})+)*\))*\$?")
"""Patterns that DuckDB reads as Athena does, in ASCII without line breaks: a match has each group once."""
_PLAIN_TEXT = quote_text(r"[\x00-\x09\x0b-\x7f]*")


def _plainly(values: Sequence[Typed], plain: str, exact: str) -> str:
    """Leave to DuckDB what it reads alike; it is many times faster."""
    pattern = values[1].text
    if values[0].text is not None or pattern is None or not _PLAIN.fullmatch(pattern):
        return exact
    return f"CASE WHEN regexp_full_match({values[0].sql}, {_PLAIN_TEXT}) THEN {plain} ELSE {exact} END"


def _regexp_like(arguments: Sequence[Argument]) -> Typed:
    values = typed(arguments, 2)
    sqls = [as_type(value, VARCHAR) for value in values]
    plain = f"regexp_matches({', '.join(sqls)})"
    return Typed(_plainly(values, plain, native("regexp_like", *sqls)), BOOLEAN)


def _regexp_extract(arguments: Sequence[Argument]) -> Typed:
    values = typed(arguments, 2, 3)
    sqls = [as_type(value, VARCHAR) for value in values[:2]]
    group = _count(values[2]) if len(values) == 3 else "0"
    exact = native("regexp_extract", *sqls, group)
    if group not in ("0", "1") or (group == "1" and not re.search(r"(?<!\\)\((?!\?)", values[1].text or "")):
        return Typed(exact, VARCHAR)
    both = ", ".join(sqls)
    plain = f"CASE WHEN regexp_matches({both}) THEN regexp_extract({both}, {group}) END"
    return Typed(_plainly(values, plain, exact), VARCHAR)


def _regexp_extract_all(arguments: Sequence[Argument]) -> Typed:
    values = typed(arguments, 2, 3)
    sqls = [as_type(value, VARCHAR) for value in values[:2]]
    group = as_type(values[2], BIGINT) if len(values) == 3 else "0"
    return Typed(native("regexp_extract_all", *sqls, group), array(VARCHAR))


def _regexp_position(arguments: Sequence[Argument]) -> Typed:
    source, pattern, *numbers = typed(arguments, 2, 3, 4)
    counts = [as_type(number, BIGINT) for number in numbers] + ["1"] * (2 - len(numbers))
    return Typed(
        native("regexp_position", as_type(source, VARCHAR), as_type(pattern, VARCHAR), *counts),
        Type("integer"),
    )


def _regexp_replace(arguments: Sequence[Argument]) -> Typed:
    if len(arguments) == 3 and isinstance(arguments[2], Lambda):
        return _regexp_replace_by(arguments[0], arguments[1], arguments[2])
    values = typed(arguments, 2, 3)
    sqls = [as_type(value, VARCHAR) for value in values] + ["''"] * (3 - len(values))
    exact = native("regexp_replace", *sqls)
    replacement = values[2].text if len(values) == 3 else ""
    if replacement is None or set(replacement) & set("$\\") or re.search(_plain_of(values[1]), ""):
        return Typed(exact, VARCHAR)
    return Typed(_plainly(values, f"regexp_replace({', '.join(sqls)}, 'g')", exact), VARCHAR)


def _plain_of(pattern: Typed) -> str:
    """A plain pattern, which Python's ``re`` reads alike; else one that matches the empty text."""
    return pattern.text if pattern.text is not None and _PLAIN.fullmatch(pattern.text) else ""


def _regexp_replace_by(source: Argument, pattern: Argument, function: Lambda) -> Typed:
    if function.parameters != 1:
        raise NoOverloadError
    sqls = [as_type(value, VARCHAR) for value in (source, pattern)]
    item = function.new_name()
    body = function.body([Typed(f"{item}[2]", array(VARCHAR))])
    piece = (
        f"{item}[1] || CASE WHEN {item}[2] IS NULL THEN '' ELSE coalesce({as_type(body, VARCHAR)}, '') END"
    )
    pieces = f"list_zip({native('regexp_split', *sqls)}, {native('regexp_groups', *sqls)})"
    return Typed(f"array_to_string(list_transform({pieces}, lambda {item}: {piece}), '')", VARCHAR)


# --- Formats


def _format(arguments: Sequence[Argument]) -> Typed:
    pattern, *values = typed(arguments)
    if not values:
        raise NoOverloadError
    names, texts = [], []
    for value in values:
        name = {"unknown": "varchar", "char": "varchar", "json": "varchar", "uuid": "varchar"}.get(
            value.type.name, value.type.name
        )
        if (
            name not in ("varchar", "boolean", "real", "double", "decimal", "date", "timestamp")
            and not value.type.is_integer
        ):
            raise QueryError("NOT_SUPPORTED", f"format of {value.type}")
        names.append(name)
        texts.append(f"CAST({value.sql} AS VARCHAR)")
    written = native(
        "format_values", as_type(pattern, VARCHAR), quote_text(",".join(names)), f"[{', '.join(texts)}]"
    )
    return Typed(written, VARCHAR)


# --- Bytes


def _hash(algorithm: str) -> Builder:
    return form(f"varbinary -> varbinary := {native('digest', quote_text(algorithm), '{0}')}")


def _hmac(algorithm: str) -> Builder:
    return form(
        f"varbinary, varbinary -> varbinary := {native('keyed_hash', quote_text(algorithm), '{0}', '{1}')}"
    )


def _from_text(written: str) -> Builder:
    call = native("from_text", quote_text(written), "{0}")
    return form(
        f"varchar -> varbinary := {call}", f"varbinary -> varbinary := {call.replace('{0}', 'decode({0})')}"
    )


def _to_bytes(of: str, how: str) -> Builder:
    name = "real_bytes" if how.startswith("ieee") else "integer_bytes"
    return form(f"{of} -> varbinary := {native(name, quote_text(how), '{0}')}")


def _from_bytes(of: str, how: str) -> Builder:
    name = "real_of" if how.startswith("ieee") else "integer_of"
    return form(f"varbinary -> {of} := CAST({native(name, quote_text(how), '{0}')} AS {of})")


def _url(part: str) -> Builder:
    return form(f"varchar -> varchar := {native('url_extract', '{0}', quote_text(part))}")


def _form(signature: str, name: str, *arguments: str) -> Builder:
    return form(f"{signature} := {native(name, *arguments)}")


TEXTS: dict[str, Builder] = {
    "lower": _cased("lower"),
    "upper": _cased("upper"),
    "length": _length,
    "trim": _trim("trim"),
    "ltrim": _trim("ltrim"),
    "rtrim": _trim("rtrim"),
    "substr": _substr,
    "substring": _substr,
    "replace": form(
        f"varchar, varchar -> varchar := {native('replace', '{0}', '{1}', repr(''))}",
        f"varchar, varchar, varchar -> varchar := {native('replace', '{0}', '{1}', '{2}')}",
    ),
    "concat": _joined,
    "concat_ws": _concat_ws,
    "strpos": form(
        f"varchar, varchar -> bigint := {native('strpos', '{0}', '{1}', '1')}",
        f"varchar, varchar, bigint -> bigint := {native('strpos', '{0}', '{1}', '{2}')}",
    ),
    "split": form(
        f"varchar, varchar -> array(varchar) := {native('split', '{0}', '{1}', '2147483647')}",
        f"varchar, varchar, bigint -> array(varchar) := {native('split', '{0}', '{1}', '{2}')}",
    ),
    "split_part": _form("varchar, varchar, bigint -> varchar", "split_part", "{0}", "{1}", "{2}"),
    "split_to_map": _split_to_map(many=False),
    "split_to_multimap": _split_to_map(many=True),
    "starts_with": form("varchar, varchar -> boolean := starts_with({0}, {1})"),
    "lpad": _pad(left=True),
    "rpad": _pad(left=False),
    "chr": _form("bigint -> varchar", "character", "{0}"),
    "codepoint": _form("varchar -> integer", "codepoint", "{0}"),
    "translate": _form("varchar, varchar, varchar -> varchar", "translate", "{0}", "{1}", "{2}"),
    "levenshtein_distance": _form("varchar, varchar -> bigint", "levenshtein_distance", "{0}", "{1}"),
    "hamming_distance": _form("varchar, varchar -> bigint", "hamming_distance", "{0}", "{1}"),
    "normalize": form(
        f"varchar -> varchar := {native('normalize', '{0}', quote_text('NFC'))}",
        f"varchar, varchar -> varchar := {native('normalize', '{0}', '{1}')}",
    ),
    "soundex": _form("varchar -> varchar", "soundex", "{0}"),
    "luhn_check": _form("varchar -> boolean", "luhn_check", "{0}"),
    "reverse": _reverse,
    "human_readable_seconds": _form("double -> varchar", "human_readable_seconds", "{0}"),
    "format": _format,
    "format_number": _form("double -> varchar", "format_number", "{0}"),
    "parse_data_size": _form("varchar -> decimal(38,0)", "parse_data_size", "{0}"),
    "regexp_like": _regexp_like,
    "regexp_extract": _regexp_extract,
    "regexp_extract_all": _regexp_extract_all,
    "regexp_replace": _regexp_replace,
    "regexp_split": _form("varchar, varchar -> array(varchar)", "regexp_split", "{0}", "{1}"),
    "regexp_count": _form("varchar, varchar -> bigint", "regexp_count", "{0}", "{1}"),
    "regexp_position": _regexp_position,
    "url_encode": _form("varchar -> varchar", "url_encode", "{0}"),
    "url_decode": _form("varchar -> varchar", "url_decode", "{0}"),
    **{f"url_extract_{part}": _url(part) for part in ("fragment", "host", "path", "protocol", "query")},
    "url_extract_port": _form("varchar -> bigint", "url_extract_port", "{0}"),
    "url_extract_parameter": _form("varchar, varchar -> varchar", "url_extract_parameter", "{0}", "{1}"),
    "uuid": lambda arguments: Typed("uuid()", UUID) if not typed(arguments, 0) else Typed("", UUID),
    "to_utf8": form("varchar -> varbinary := encode({0})"),
    "from_utf8": form(
        f"varbinary -> varchar := coalesce(TRY(decode({{0}})), {native('from_utf8', '{0}')})",
        f"varbinary, varchar -> varchar := {native('from_utf8_with', '{0}', '{1}')}",
        f"varbinary, bigint -> varchar := {native('from_utf8_with', '{0}', native('character', '{1}'))}",
    ),
    "to_hex": form("varbinary -> varchar := hex({0})"),
    "from_hex": _from_text("hex"),
    "to_base64": form("varbinary -> varchar := to_base64({0})"),
    "from_base64": _from_text("base64"),
    "to_base64url": form(f"varbinary -> varchar := {native('to_text', quote_text('base64url'), '{0}')}"),
    "from_base64url": _from_text("base64url"),
    "to_base32": form(f"varbinary -> varchar := {native('to_text', quote_text('base32'), '{0}')}"),
    "from_base32": _from_text("base32"),
    **{name: _hash(name) for name in ("md5", "sha1", "sha256", "sha512")},
    **{f"hmac_{name}": _hmac(name) for name in ("md5", "sha1", "sha256", "sha512")},
    "crc32": _form("varbinary -> bigint", "crc32", "{0}"),
    "to_big_endian_32": _to_bytes("integer", "big_endian_32"),
    "to_big_endian_64": _to_bytes("bigint", "big_endian_64"),
    "from_big_endian_32": _from_bytes("integer", "big_endian_32"),
    "from_big_endian_64": _from_bytes("bigint", "big_endian_64"),
    "to_ieee754_32": _to_bytes("real", "ieee754_32"),
    "to_ieee754_64": _to_bytes("double", "ieee754_64"),
    "from_ieee754_32": _from_bytes("real", "ieee754_32"),
    "from_ieee754_64": _from_bytes("double", "ieee754_64"),
}
