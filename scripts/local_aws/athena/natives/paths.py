"""JSON as Athena reads it: token by token, up to what a path asks for, numbers as they are written.

io.trino.operator.scalar.JsonExtract and JsonPathTokenizer; https://trino.io/docs/current/functions/json.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from scripts.local_aws.athena.natives.registry import invalid

_SPACE = re.compile(r"[ \t\n\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*)"')
_ESCAPE = re.compile(r"\\(u([0-9A-Fa-f]{4})|.)")
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class Number:
    """A number, as it is written."""

    text: str

    @property
    def is_integer(self) -> bool:
        """Whether it has neither a fraction nor an exponent."""
        return self.text.lstrip("-").isdigit()


@dataclass(frozen=True, slots=True)
class Members:
    """An object: its members in their order, a name twice if it is written twice."""

    items: tuple[tuple[str, Value], ...]

    def last(self) -> dict[str, Value]:
        """Return the members by name; the last of a name wins."""
        return dict(self.items)


Value = Number | str | bool | None | list["Value"] | Members


class MalformedError(Exception):
    """The text is no JSON, up to where it was read."""


def read(text: str) -> Value:
    """Read one value and nothing after it. Raises ``MalformedError``."""
    value, end = _value(text, 0)
    if _skip(text, end) != len(text):
        raise MalformedError
    return value


@lru_cache(maxsize=256)
def tokens(path: str) -> tuple[str, ...]:
    """Split a path: ``$.a["b c"][0]``. Raises ``QueryError`` if Athena does not take it."""
    found, at = [], 1
    while path.startswith("$") and at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            break
        at = step.end()
        if step["quoted"] is not None:
            found.append(re.sub(r"\\(.)", r"\1", step["quoted"]))
        else:
            found.append(step["name"] or step["subscript"])
    if not path.startswith("$") or at < len(path):
        raise invalid(f"Invalid JSON path: '{path}'")
    return tuple(found)


_STEP = re.compile(r'\.(?P<name>[\w:]+)|\["(?P<quoted>(?:[^"\\]|\\["\\])*)"\]|\[(?P<subscript>\w+)\]')


def find(text: str, path: str) -> Iterator[Value]:
    """Yield the value at a path, if there is one; what comes after it is not read."""
    try:
        at = _skip(text, 0)
        for token in tokens(path):
            at = _step(text, at, token)
            if at < 0:
                return
        value, end = _value(text, at)
        if at == _skip(text, 0) and isinstance(value, Number) and text[end : end + 1].strip(" \t\n\r"):
            return  # of a number alone it is read whether it ends there
    except MalformedError:
        return
    yield value


def _step(text: str, at: int, token: str) -> int:
    """Return where the member or element begins; -1 if there is none."""
    opening = text[at : at + 1]
    if opening == "{":
        for name, start in _members(text, at):
            if name == token:
                return start
    elif opening == "[":
        index = int(token) if re.fullmatch(r"\d{1,10}", token, re.ASCII) else -1
        for count, start in enumerate(_elements(text, at)):
            if count == index:
                return start
    else:
        raise MalformedError
    return -1


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        name, at = _string(text, at)
        at = _skip(text, _expect(text, _skip(text, at), ":"))
        yield name, at
        _, at = _value(text, at)
        at = _next(text, at, "}")


def _elements(text: str, at: int) -> Iterator[int]:
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        yield at
        _, at = _value(text, at)
        at = _next(text, at, "]")


def _next(text: str, at: int, close: str) -> int:
    """Return where the next of several begins, or the end of all."""
    at = _skip(text, at)
    if text[at : at + 1] == close:
        return at
    at = _skip(text, _expect(text, at, ","))
    if text[at : at + 1] == close:
        raise MalformedError
    return at


def _expect(text: str, at: int, char: str) -> int:
    if text[at : at + 1] != char:
        raise MalformedError
    return at + 1


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _string(text: str, at: int) -> tuple[str, int]:
    match = _STRING.match(text, at)
    if match is None:
        raise MalformedError
    return (_unescaped(match[1]) if "\\" in match[1] else match[1]), match.end()


def _unescaped(written: str) -> str:
    plain = _ESCAPE.sub(lambda m: chr(int(m[2], 16)) if m[2] else _ESCAPED.get(m[1], m[1]), written)
    try:
        return plain.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise MalformedError from error


def _value(text: str, at: int) -> tuple[Value, int]:
    at = _skip(text, at)
    opening = text[at : at + 1]
    if opening == '"':
        return _string(text, at)
    if opening == "{":
        return _object(text, at)
    if opening == "[":
        return _array(text, at)
    if match := _NUMBER.match(text, at):
        if text[match.end() : match.end() + 1] in tuple(".eE0123456789"):
            raise MalformedError
        return Number(match[0]), match.end()
    for word, value in _WORDS.items():
        if text.startswith(word, at) and not text[at + len(word) : at + len(word) + 1].isalnum():
            return value, at + len(word)
    raise MalformedError


def _object(text: str, at: int) -> tuple[Value, int]:
    items: list[tuple[str, Value]] = []
    at = _skip(text, at + 1)
    while text[at : at + 1] != "}":
        name, at = _string(text, at)
        value, at = _value(text, _expect(text, _skip(text, at), ":"))
        items.append((name, value))
        at = _next(text, at, "}")
    return Members(tuple(items)), at + 1


def _array(text: str, at: int) -> tuple[Value, int]:
    items: list[Value] = []
    at = _skip(text, at + 1)
    while text[at : at + 1] != "]":
        value, at = _value(text, at)
        items.append(value)
        at = _next(text, at, "]")
    return items, at + 1
