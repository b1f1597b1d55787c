"""Moved resources: the code's ``moved`` blocks, and ``removed`` blocks that do not destroy.

https://developer.hashicorp.com/terraform/language/modules/develop/refactoring. Of the language no more is
read than where blocks begin and end; addresses in these blocks are constant. What is not understood here
moves nothing, so that a review shows it as destroyed and recreated.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_HEREDOC = re.compile(r"<<-?([\w-]+)[ \t]*\r?\n")
_STEP = re.compile(r'([\w-]+)(?:\[("(?:\\.|[^"\\])*"|\d+)\])?(\.|$)')
_ARGUMENT = re.compile(r"^[ \t]*(from|to|source|destroy)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class _Step:
    """A module call or a resource in an address, with its instance key as it stands there."""

    name: str
    key: str | None = None

    def __str__(self) -> str:
        return self.name if self.key is None else f"{self.name}[{self.key}]"


_Address = tuple[_Step, ...]
"""``module.a["x"].aws_s3_bucket.b`` in steps: ``module.a``, ``aws_s3_bucket.b``; a call's own ends in it."""


@dataclass(frozen=True)
class _Block:
    """A ``moved`` block, or without ``to`` a ``removed`` one. within: the calls its module is reached by."""

    within: tuple[str, ...]
    source: _Address
    to: _Address | None

    def applied(self, address: _Address) -> _Address | None:
        """Return where an address goes by it; None if it says nothing of it."""
        size = len(self.within)
        if tuple(step.name for step in address[:size]) != self.within:
            return None
        prefix, inner = address[:size], address[size:]
        named, rest = inner[: len(self.source)], inner[len(self.source) :]
        if len(named) < len(self.source) or (rest and not self.source[-1].name.startswith("module.")):
            return None
        if named[:-1] != self.source[:-1] or named[-1].name != self.source[-1].name:
            return None
        to = self.to if self.to is not None else self.source
        if self.source[-1].key is None and to[-1].key is None:  # all instances
            return (*prefix, *to[:-1], _Step(to[-1].name, named[-1].key), *rest)
        return (*prefix, *to, *rest) if named[-1] == self.source[-1] else None


@dataclass(frozen=True)
class Moves:
    """All such blocks of a tree of Terraform."""

    blocks: tuple[_Block, ...] = ()

    def of(self, before: Collection[str], after: Collection[str]) -> dict[str, str]:
        """Return where addresses of one state go in another; only those that move.

        Where ``count`` comes or goes, Terraform moves between the resource itself and its instance 0.
        """
        goes = {address: self._followed(address) for address in before}
        for address in before:
            if goes[address] == address and address not in after:
                other = address.removesuffix("[0]") if address.endswith("[0]") else f"{address}[0]"
                if other in after and other not in goes:
                    goes[address] = other
        taken = list(goes.values())
        return {
            address: to for address, to in goes.items() if to != address and (taken.count(to) == 1)
        }  # of two that would be one, Terraform moves neither

    def forgotten(self, addresses: Collection[str]) -> frozenset[str]:
        """Return which of these addresses the code says to forget, and not to destroy."""
        removed = [block for block in self.blocks if block.to is None]
        return frozenset(
            address
            for address in addresses
            if any(block.applied(_address(address)) is not None for block in removed)
        )

    def _followed(self, address: str) -> str:
        steps, seen = _address(address), {_address(address)}
        moved = [block for block in self.blocks if block.to is not None]
        while True:
            found = next((to for block in moved if (to := block.applied(steps)) not in {None, steps}), None)
            if found is None or found in seen:
                return ".".join(map(str, steps)) if found is None else address
            steps = found
            seen.add(found)


def read_moves(root: Path) -> Moves:
    """Return the blocks of the Terraform in a folder, and in the modules beside it that it calls."""
    return Moves(tuple(_of_module(root, ())))


def _of_module(folder: Path, within: tuple[str, ...]) -> Iterator[_Block]:
    for path in sorted(folder.glob("*.tf")):
        for header, flat, nested in _blocks(path.read_text(encoding="utf-8")):
            arguments = dict(_ARGUMENT.findall(flat))
            if header == "moved":
                source, to = (_parsed(arguments.get(name, "")) for name in ("from", "to"))
                if source and to:
                    yield _Block(within, source, to)
            elif header == "removed":
                source = _parsed(arguments.get("from", ""))
                if source and dict(_ARGUMENT.findall(nested)).get("destroy") == "false":
                    yield _Block(within, source, None)
            elif match := re.fullmatch(r'module\s+"([\w-]+)"', header):
                called = arguments.get("source", "").strip('"')
                if called.startswith(("./", "../")) and len(within) < 9:
                    yield from _of_module(folder / called, (*within, f"module.{match[1]}"))


def _address(text: str) -> _Address:
    """Return an address of a state in steps; as one step what is none."""
    return _parsed(text) or (_Step(text),)


def _parsed(text: str) -> _Address:
    """Return an address in steps; none if it is no address."""
    words, at = [], 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            return ()
        words.append((match[1], match[2]))
        at = match.end()
    steps = []
    while words:
        kind, bare = words.pop(0)
        if bare is not None or not words:
            return ()
        name, key = words.pop(0)
        steps.append(_Step(f"{kind}.{name}", key))
    return tuple(steps)


def _blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield header, own arguments and what is nested of the outermost blocks, without comments."""
    parts: list[list[str]] = [[], [], []]
    depth = at = 0
    while at < len(text):
        end = _skipped(text, at)
        if end > at:  # a comment goes, a text stays
            parts[min(depth, 2)].append(" " if text[at] in "#/" else text[at:end])
            at = end
            continue
        if text[at] == "}":
            depth -= 1
            if depth == 0:
                header, flat, nested = ("".join(part) for part in parts)
                yield header.rpartition("\n")[2].strip(" {"), flat, nested
                parts = [[], [], []]
        else:
            parts[min(depth, 2)].append(text[at])
            depth += text[at] == "{"
        at += 1


def _skipped(text: str, at: int) -> int:
    """Return where a comment, a quoted text or a heredoc that begins here ends; ``at`` if none does."""
    if text[at] == "#" or text.startswith("//", at):
        return (text + "\n").index("\n", at)
    if text.startswith("/*", at):
        return at + len(text[at:].partition("*/")[0]) + 2
    if match := _HEREDOC.match(text, at):
        closing = re.compile(rf"^[ \t]*{re.escape(match[1])}[ \t]*\r?$", re.MULTILINE)
        found = closing.search(text, match.end())
        return len(text) if found is None else found.end()
    return _quoted(text, at) if text[at] == '"' else at


def _quoted(text: str, at: int) -> int:
    """Return where a quoted text ends; in ``${…}`` and ``%{…}`` there are texts again."""
    at += 1
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" or text.startswith(("$${", "%%{"), at):
            at += 2 if text[at] == "\\" else 3
        elif text.startswith(("${", "%{"), at):
            at, depth = at + 2, 1
            while at < len(text) and depth:
                depth += {"{": 1, "}": -1}.get(text[at], 0)
                at = _quoted(text, at) if text[at] == '"' else at + 1
        else:
            at += 1
    return at + 1
