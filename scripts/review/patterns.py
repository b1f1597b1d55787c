"""Which strings a pattern of IAM stands for, compared as sets: does one cover another, do two meet.

``*`` stands for any characters, ``?`` for one, a policy variable (``${aws:username}``) for a text nobody
knows here ("IAM JSON policy elements: Resource", "… Condition operators", IAM User Guide). The answers are
exact for patterns without variables; with them, ``covers`` and ``disjoint`` say yes only if it is sure.
"""

from __future__ import annotations

import re
from functools import lru_cache

_ANY, _ONE, _OTHER = "*", "?", "any other character"
_TOKEN = re.compile(r"\$\{[^}]*\}|\*+|.", re.DOTALL)


@lru_cache(maxsize=1 << 16)
def covers(wider: str, narrower: str) -> bool:
    """Whether every string that ``narrower`` stands for is one that ``wider`` stands for."""
    if wider in {_ANY, narrower}:
        return True
    wide, narrow = _tokens(wider), _tokens(narrower)
    letters = {token for token in wide if len(token) == 1} - {_ANY, _ONE} | {_OTHER}
    # Read ``narrower`` letter by letter, with all the places in ``wider`` where one could then be: a string
    # that ends while none of these is the end is one that ``wider`` does not stand for.
    start = (0, _closed(wide, {0}))
    waiting, seen = [start], {start}
    while waiting:
        at, places = waiting.pop()
        if at == len(narrow):
            if len(wide) not in places:
                return False
            continue
        token = narrow[at]
        read = letters if token in {_ANY, _ONE} else {token}
        following = at if token == _ANY else at + 1
        found = {(following, _after(wide, places, letter)) for letter in read}
        if token == _ANY:
            found.add((at + 1, places))
        waiting += found - seen
        seen |= found
    return True


@lru_cache(maxsize=1 << 16)
def disjoint(one: str, other: str) -> bool:
    """Whether no string is one that both patterns stand for."""
    first, second = (_without_variables(_tokens(pattern)) for pattern in (one, other))
    waiting, seen = [(0, 0)], {(0, 0)}
    while waiting:
        i, j = waiting.pop()
        if i == len(first) and j == len(second):
            return False
        found = set()
        if i < len(first) and first[i] == _ANY:
            found |= {(i + 1, j)} | ({(i, j + 1)} if j < len(second) else set())
        if j < len(second) and second[j] == _ANY:
            found |= {(i, j + 1)} | ({(i + 1, j)} if i < len(first) else set())
        if i < len(first) and j < len(second) and (first[i] == second[j] or _ONE in {first[i], second[j]}):
            found.add((i + 1, j + 1))
        waiting += found - seen
        seen |= found
    return True


def covers_arn(wider: str, narrower: str) -> bool:
    """As ``covers``, for ARNs: each of the six parts between the colons is a pattern of its own."""
    if not (wider.startswith("arn:") and narrower.startswith("arn:")):
        return covers(wider, narrower)
    return all(covers(wide, narrow) for wide, narrow in zip(_parts(wider), _parts(narrower), strict=True))


def disjoint_arns(one: str, other: str) -> bool:
    """As ``disjoint``, for ARNs."""
    if not (one.startswith("arn:") and other.startswith("arn:")):
        return disjoint(one, other)
    return any(disjoint(first, second) for first, second in zip(_parts(one), _parts(other), strict=True))


def _parts(arn: str) -> list[str]:
    """Return the six parts of an ARN. AWS completes one that has fewer with wildcards."""
    found = arn.split(":", 5)
    return found + [_ANY] * (6 - len(found))


def _tokens(pattern: str) -> tuple[str, ...]:
    return tuple(_ANY if token[0] == _ANY else token for token in _TOKEN.findall(pattern))


def _without_variables(tokens: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_ANY if len(token) > 1 else token for token in tokens)


def _closed(wide: tuple[str, ...], places: set[int]) -> frozenset[int]:
    """Add the places reached without reading a letter: behind a ``*``."""
    found = set(places)
    for place in sorted(places):
        at = place
        while at < len(wide) and wide[at] == _ANY:
            at += 1
            found.add(at)
    return frozenset(found)


def _after(wide: tuple[str, ...], places: frozenset[int], letter: str) -> frozenset[int]:
    reached = set()
    for place in places:
        if place == len(wide):
            continue
        token = wide[place]
        if token == _ANY:
            reached.add(place)
        elif token == letter or (token == _ONE and (len(letter) == 1 or letter == _OTHER)):
            reached.add(place + 1)
    return _closed(wide, reached)
