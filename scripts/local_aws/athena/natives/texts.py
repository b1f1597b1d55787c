"""Functions of texts.

https://trino.io/docs/current/functions/string.html
"""

from __future__ import annotations

import re
import unicodedata
from datetime import timedelta

from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives.registry import invalid, provide

_INT = 2**31 - 1
SPACES = "".join(
    chr(code)
    for code in (
        *range(0x09, 0x0E),
        *range(0x1C, 0x21),
        0x1680,
        *range(0x2000, 0x2007),
        *range(0x2008, 0x200B),
        0x2028,
        0x2029,
        0x205F,
        0x3000,
    )
)
"""What ``trim`` takes away: whitespace by ``Character.isWhitespace``, which no-break spaces are not."""


@provide("VARCHAR, BIGINT, BIGINT -> VARCHAR")
def substr(text: str, start: int, length: int) -> str:
    """Return a part; a negative start counts from the end, and there is nothing before the beginning."""
    if start == 0 or length <= 0 or -start > len(text):
        return ""
    begin = start - 1 if start > 0 else len(text) + start
    return text[begin : begin + length]


@provide("VARCHAR, VARCHAR, BIGINT -> VARCHAR[]")
def split(text: str, delimiter: str, limit: int) -> list[str]:
    """Split at a delimiter into at most ``limit`` parts."""
    if limit <= 0:
        raise invalid("Limit must be positive")
    if limit > _INT:
        raise invalid("Limit is too large")
    if not delimiter:
        raise invalid("The delimiter may not be the empty string")
    return text.split(delimiter, limit - 1)


@provide("VARCHAR, VARCHAR, BIGINT -> VARCHAR")
def split_part(text: str, delimiter: str, index: int) -> str | None:
    """Return a part, counted from 1; NULL where there are fewer."""
    if index <= 0:
        raise invalid("Index must be greater than zero")
    parts = text.split(delimiter) if delimiter else list(text)
    return parts[index - 1] if index <= len(parts) else None


@provide("VARCHAR, VARCHAR, VARCHAR, BOOLEAN -> STRUCT(k VARCHAR, v VARCHAR)[]")
def split_to_map(text: str, entry: str, key_value: str, many: bool) -> list[dict[str, str]]:
    """Split into entries and each into key and value."""
    if not entry:
        raise invalid("entryDelimiter is empty")
    if not key_value:
        raise invalid("keyValueDelimiter is empty")
    if entry == key_value:
        raise invalid("entryDelimiter and keyValueDelimiter must not be the same")
    found: list[dict[str, str]] = []
    written = text.split(entry)
    if written[-1] == "":
        written.pop()
    for part in written:
        pair = part.split(key_value)
        if len(pair) != 2:
            raise invalid("Key-value delimiter must appear exactly once in each entry. Bad input: " + part)
        if not many and any(each["k"] == pair[0] for each in found):
            raise invalid(
                f"Duplicate keys ({pair[0]}) are not allowed. "
                "Specifying a lambda to resolve conflicts can avoid this error"
            )
        found.append({"k": pair[0], "v": pair[1]})
    return found


@provide("VARCHAR, VARCHAR, BIGINT -> BIGINT")
def strpos(text: str, wanted: str, instance: int) -> int:
    """Return where a text is found for the n-th time, from the end if negative; 0 if it is not."""
    if instance == 0:
        raise invalid("'instance' must be a positive or negative number.")
    if not wanted:
        return 1
    at = -1 if instance > 0 else len(text)
    for _ in range(abs(instance)):
        at = text.find(wanted, at + 1) if instance > 0 else text.rfind(wanted, 0, at + len(wanted) - 1)
        if at < 0:
            return 0
    return at + 1


@provide("VARCHAR, BIGINT, VARCHAR, BOOLEAN -> VARCHAR")
def pad(text: str, length: int, padding: str, left: bool) -> str:
    """Fill up, or cut, to a length."""
    if not 0 <= length <= _INT:
        raise invalid(f"Target length must be in the range [0..{_INT}]")
    if not padding:
        raise invalid("Padding string must not be empty")
    if length > 100_000_000:
        raise QueryError("NOT_SUPPORTED", f"a text of {length} characters")
    missing = length - len(text)
    if missing <= 0:
        return text[:length]
    filled = (padding * (missing // len(padding) + 1))[:missing]
    return filled + text if left else text + filled


@provide("VARCHAR, VARCHAR, VARCHAR -> VARCHAR")
def replace(text: str, wanted: str, replacement: str) -> str:
    """Replace a text; the empty one is found before every character and at the end."""
    return text.replace(wanted, replacement)


@provide("VARCHAR, VARCHAR, VARCHAR -> VARCHAR")
def trim(text: str, characters: str, side: str) -> str:
    """Take characters away from the sides."""
    if side == "left":
        return text.lstrip(characters) if characters else text
    if side == "right":
        return text.rstrip(characters) if characters else text
    return text.strip(characters) if characters else text


@provide("VARCHAR -> VARCHAR")
def lower(text: str) -> str:
    """Put each character into lower case by itself."""
    return "".join(_single(char, char.lower()) for char in text)


@provide("VARCHAR -> VARCHAR")
def upper(text: str) -> str:
    """Put each character into upper case by itself."""
    return "".join(_single(char, char.upper()) for char in text)


def _single(char: str, changed: str) -> str:
    if len(changed) == 1:
        return changed
    return "i" if char == "İ" else char


@provide("VARCHAR -> VARCHAR")
def reverse(text: str) -> str:
    """Reverse the code points."""
    return text[::-1]


@provide("BIGINT -> VARCHAR")
def character(code: int) -> str:
    """Return the character of a code point."""
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise invalid(f"Not a valid Unicode code point: {code}")
    if code == 0:
        raise QueryError("NOT_SUPPORTED", "a text with the character 0")
    return chr(code)


@provide("VARCHAR -> INTEGER")
def codepoint(text: str) -> int:
    """Return the code point of one character."""
    if len(text) != 1:
        raise invalid("Input string must be a single character string")
    return ord(text)


@provide("VARCHAR, VARCHAR -> BIGINT")
def hamming_distance(one: str, other: str) -> int:
    """Count the places at which two texts of one length differ."""
    if len(one) != len(other):
        raise invalid("The input strings to hamming_distance function must have the same length")
    return sum(a != b for a, b in zip(one, other, strict=True))


@provide("VARCHAR, VARCHAR -> BIGINT")
def levenshtein_distance(one: str, other: str) -> int:
    """Count the edits from one text to another."""
    longer, shorter = sorted((one, other), key=len, reverse=True)
    if shorter and len(longer) * (len(shorter) - 1) > 1_000_000:
        raise invalid("The combined inputs for Levenshtein distance are too large")
    row = list(range(len(shorter) + 1))
    for count, char in enumerate(longer, start=1):
        above, row = row, [count]
        for at, wanted in enumerate(shorter):
            row.append(min(row[-1] + 1, above[at + 1] + 1, above[at] + (char != wanted)))
    return row[-1]


@provide("VARCHAR, VARCHAR -> VARCHAR")
def normalize(text: str, form: str) -> str:
    """Normalise by a form of Unicode."""
    match form:
        case "NFC" | "NFD" | "NFKC" | "NFKD":
            return unicodedata.normalize(form, text)
    raise invalid(f"Normalization form must be one of [NFD, NFC, NFKD, NFKC]: {form}")


@provide("VARCHAR, VARCHAR, VARCHAR -> VARCHAR")
def translate(text: str, source: str, target: str) -> str:
    """Replace characters by those at the same place; those without one are left out."""
    table: dict[int, str | None] = {}
    for at, char in enumerate(source):
        table.setdefault(ord(char), target[at] if at < len(target) else None)
    return text.translate(table)


@provide("VARCHAR -> VARCHAR")
def soundex(text: str) -> str:
    """Return the American Soundex of a word."""
    letters = [char for char in text.upper() if char.isalpha()]
    if any(not char.isascii() for char in letters):
        raise invalid(f"The character is not mapped: {text}")
    if not letters:
        return ""
    codes = {
        char: str(code)
        for code, chars in enumerate(("BFPV", "CGJKQSXZ", "DT", "L", "MN", "R"), 1)
        for char in chars
    }
    result, last = letters[0], codes.get(letters[0])
    for char in letters[1:]:
        code = codes.get(char)
        if code and code != last:
            result += code
        if char not in "HW":
            last = code
    return f"{result:0<4}"[:4]


@provide("VARCHAR -> BOOLEAN")
def luhn_check(text: str) -> bool:
    """Say whether the digits of a text pass the Luhn check."""
    if not text:
        return False
    if not re.fullmatch("[0-9]+", text):
        raise invalid(f"Character value is not a digit: {text}")
    doubled = [int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(text))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


_SECONDS = {"week": 604_800, "day": 86_400, "hour": 3_600, "minute": 60, "second": 1}


@provide("DOUBLE -> VARCHAR")
def human_readable_seconds(seconds: float) -> str:
    """Say a number of seconds in words."""
    if seconds - seconds != 0:
        raise invalid(f"Invalid argument found: {seconds}")
    rest = int(abs(seconds) + 0.5)
    words = []
    for name, size in _SECONDS.items():
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {name}{'' if count == 1 else 's'}")
    return ", ".join(words) or "0 seconds"


_DURATIONS = {
    "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0,
}  # fmt: skip


@provide("VARCHAR -> INTERVAL")
def parse_duration(text: str) -> timedelta:
    """Read a duration of airlift's: ``42.8ms``, ``3.81 d``."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*", text, re.ASCII)
    if match is None:
        raise invalid(f"duration is not a valid data duration string: {text}")
    if match[2] not in _DURATIONS:
        raise invalid(f"Unknown time unit: {match[2]}")
    millis = float(match[1]) * (_DURATIONS[match[2]] * 1000)
    return timedelta(milliseconds=int(millis + 0.5))


_SIZES = {unit: 1024**at for at, unit in enumerate(("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"))}


@provide("VARCHAR -> VARCHAR")
def parse_data_size(text: str) -> str:
    """Read a size with a unit: ``2.3MB``."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGTPEZY]?B)", text, re.ASCII)
    if match is None:
        raise invalid(f"Invalid data size: '{text}'")
    whole, _, fraction = match[1].partition(".")
    return str(int(whole + fraction) * _SIZES[match[2]] // 10 ** len(fraction))
