"""Text from outside (keys, user agents, error messages) made safe to display.

An object's key may contain any Unicode: escape sequences that control a terminal, bidirectional overrides
that display another name than the stored one (Unicode TR36, "Bidirectional Text Spoofing"), line breaks that
fake a row, invisible characters. People must see what is stored, so all of these are shown as escapes.
"""

from __future__ import annotations

import re

_UNSEEN = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
)
"""Characters that count as printable but are invisible: Default_Ignorable_Code_Point (UAX #44) without those
that ``str.isprintable`` already rejects, and the blank Braille pattern."""

_UNSEEN_CHARACTER = re.compile(f"[{_UNSEEN}]")


def visible(text: str) -> str:
    r"""Return ``text`` on one line, without anything that a terminal or a page would interpret or hide.

    Every character that is not printable (controls, ESC, line and paragraph separators, bidirectional and
    other format characters, surrogates, special spaces) or that is invisible becomes ``\xNN``, ``\uNNNN`` or
    ``\UNNNNNNNN``; a backslash is doubled, so that different texts always look different.
    """
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(_escape(character) for character in text)


def shorten(text: str, limit: int) -> str:
    """Cut ``visible`` text to ``limit`` characters in the middle (``…``), since keys differ at the ends."""
    if len(text) <= limit:
        return text
    head = (limit - 1) // 2
    tail = limit - 1 - head
    return f"{text[:head]}…{text[len(text) - tail :]}"


def beginning(text: str, limit: int) -> str:
    """Cut ``visible`` text to ``limit`` characters at the end (``…``): user agents begin with the tool."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _escape(character: str) -> str:
    if character == "\\":
        return "\\\\"
    if character.isprintable() and not _UNSEEN_CHARACTER.match(character):
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
