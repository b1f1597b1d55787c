"""Regular expressions as Athena takes them: Joni's Java syntax, run by the ``regex`` module.

The two share their semantics (backtracking, leftmost, Unicode classes); a construct that they read in two
ways is refused. https://trino.io/docs/current/functions/regexp.html,
io.trino.operator.scalar.JoniRegexpFunctions
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import regex

from scripts.local_aws.athena.model import QueryError
from scripts.local_aws.athena.natives.registry import invalid, provide

_SECONDS = 20.0
"""How long one search may take: the engine's other statements wait for it."""
_TOKEN = re.compile(
    r"""\\Q(?P<quoted>.*?)(?:\\E|\Z)
      | \\(?P<escaped>k<\w+>|[pP]\{\^?\w+\}|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|c[A-Z]|.)
      | (?P<group>\(\?(?:<[=!]|<[A-Za-z]\w*>|[:=!>]|[imsx]*(?:-[imsx]+)?[:)]))
      | (?P<odd>\(\?) | (?P<repeat>\{\d+(?:,\d*)?\}) | (?P<posix>\[:\^?\w+:\]) | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = set("dDwWsSbBAzZGtnrfae123456789")


def _translated(pattern: str) -> str:
    """Write a pattern of Joni's for ``regex``, flag V1."""
    written, depth = [], 0
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if token["quoted"] is not None:
            text = regex.escape(token["quoted"], special_only=True)
        elif (escaped := token["escaped"]) is not None:
            text = _escape(escaped, text)
        elif token["odd"]:
            raise QueryError("NOT_SUPPORTED", f"{pattern[token.start() : token.start() + 4]!r} in a pattern")
        elif token["posix"] and not depth:
            raise QueryError("NOT_SUPPORTED", f"{text!r} outside a class in a pattern")
        elif text == "[":
            depth += 1
            if pattern[token.end() :].lstrip("^").startswith("]"):
                raise QueryError("NOT_SUPPORTED", "an empty class in a pattern")
        elif text == "]" and depth:
            depth -= 1
        elif depth and pattern[token.start() : token.start() + 2] in ("--", "~~", "||"):
            raise QueryError("NOT_SUPPORTED", f"{text * 2!r} in a class of a pattern")
        elif text == "{" and not depth:
            text = r"\{"
        written.append(text)
    return "".join(written)


def _escape(escaped: str, text: str) -> str:
    if escaped == "Z":
        return r"(?=\n?\Z)"
    if escaped == "z":
        return r"\Z"
    if escaped == "e":
        return r"\x1b"
    if len(escaped) == 1 and escaped.isalnum() and escaped not in _ESCAPES:
        raise QueryError("NOT_SUPPORTED", f"\\{escaped} in a pattern")
    if escaped.startswith("k<"):
        return rf"(?P={escaped[2:-1]})"
    return text


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> regex.Pattern[str]:
    try:
        return regex.compile(_translated(pattern), regex.V1)
    except regex.error as error:
        if "unknown property" in str(error):
            raise QueryError("NOT_SUPPORTED", f"{error} of the pattern {pattern}") from error
        raise invalid(f"{error}: {pattern}") from error


def _search(compiled: regex.Pattern[str], source: str, start: int) -> regex.Match[str] | None:
    try:
        return compiled.search(source, start, timeout=_SECONDS, concurrent=True)
    except TimeoutError as error:
        raise QueryError("EXCEEDED_TIME_LIMIT", f"a search took {_SECONDS:.0f} seconds") from error


def _matches(source: str, pattern: str, start: int = 0) -> Iterator[regex.Match[str]]:
    """Yield one match after the other; after an empty one the search goes on a character later."""
    compiled = _compiled(pattern)
    while start <= len(source) and (match := _search(compiled, source, start)):
        yield match
        start = match.end() + (match.end() == match.start())


def _group(pattern: str, group: int) -> int:
    if group < 0:
        raise invalid("Group cannot be negative")
    groups = _compiled(pattern).groups
    if group > groups:
        raise invalid(f"Pattern has {groups} groups. Cannot access group {group}")
    return group


@provide("VARCHAR, VARCHAR -> BOOLEAN")
def regexp_like(source: str, pattern: str) -> bool:
    """Say whether the pattern is found anywhere."""
    return _search(_compiled(pattern), source, 0) is not None


@provide("VARCHAR, VARCHAR, BIGINT -> VARCHAR")
def regexp_extract(source: str, pattern: str, group: int) -> str | None:
    """Return a group of the first match; NULL without one, and for a group that took no part in it."""
    wanted = _group(pattern, group)
    match = _search(_compiled(pattern), source, 0)
    return match[wanted] if match else None


@provide("VARCHAR, VARCHAR, BIGINT -> VARCHAR[]")
def regexp_extract_all(source: str, pattern: str, group: int) -> list[str | None]:
    """Return a group of every match."""
    wanted = _group(pattern, group)
    return [match[wanted] for match in _matches(source, pattern)]


@provide("VARCHAR, VARCHAR -> VARCHAR[]")
def regexp_split(source: str, pattern: str) -> list[str]:
    """Return what stands between the matches."""
    parts, end = [], 0
    for match in _matches(source, pattern):
        parts.append(source[end : match.start()])
        end = match.end()
    return [*parts, source[end:]]


@provide("VARCHAR, VARCHAR -> VARCHAR[][]")
def regexp_groups(source: str, pattern: str) -> list[list[str | None]]:
    """Return the groups of every match, without the whole: what a lambda of ``regexp_replace`` gets."""
    return [list(match.groups()) for match in _matches(source, pattern)]


@provide("VARCHAR, VARCHAR, VARCHAR -> VARCHAR")
def regexp_replace(source: str, pattern: str, replacement: str) -> str:
    """Replace every match; ``$1`` and ``${name}`` are groups, a backslash takes what follows as it is."""
    result, end = [], 0
    for match in _matches(source, pattern):
        result += [source[end : match.start()], _replaced(match, replacement)]
        end = match.end()
    return "".join([*result, source[end:]])


def _replaced(match: regex.Match[str], replacement: str) -> str:
    result, at = [], 0
    groups = match.re.groups
    while at < len(replacement):
        char, after = replacement[at], replacement[at + 1 : at + 2]
        if char in "$\\" and not after:
            raise invalid(f"Illegal replacement sequence: {replacement}")
        if char == "\\":
            result.append(after)
            at += 2
        elif char != "$":
            result.append(char)
            at += 1
        elif after == "{":
            name, _, _ = replacement[at + 2 :].partition("}")
            if name not in match.re.groupindex:
                raise invalid(f"Illegal replacement sequence: unknown group {{ {name} }}")
            result.append(match[name] or "")
            at += len(name) + 3
        else:
            if after not in "0123456789":
                raise invalid(f"Illegal replacement sequence: {replacement}")
            group, at = int(after), at + 2
            if group > groups:
                raise invalid(f"Illegal replacement sequence: unknown group {group}")
            while (digit := replacement[at : at + 1]) in tuple("0123456789") and group * 10 + int(
                digit
            ) <= groups:
                group, at = group * 10 + int(digit), at + 1
            result.append(match[group] or "")
    return "".join(result)


@provide("VARCHAR, VARCHAR -> BIGINT")
def regexp_count(source: str, pattern: str) -> int:
    """Count the matches."""
    return sum(1 for _ in _matches(source, pattern))


@provide("VARCHAR, VARCHAR, BIGINT, BIGINT -> INTEGER")
def regexp_position(source: str, pattern: str, start: int, occurrence: int) -> int:
    """Return where a match begins, counted from 1; -1 if there is none."""
    if start < 1:
        raise invalid("start position cannot be smaller than 1")
    if occurrence < 1:
        raise invalid("occurrence cannot be smaller than 1")
    if start > len(source):
        return -1
    for count, match in enumerate(_matches(source, pattern, start - 1), start=1):
        if count == occurrence:
            return int(match.start()) + 1
    return -1
