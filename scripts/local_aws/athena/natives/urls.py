"""Functions of URLs, as ``java.net.URI`` takes them apart.

https://trino.io/docs/current/functions/url.html
"""

from __future__ import annotations

import re
from urllib.parse import quote_plus, unquote_to_bytes

from scripts.local_aws.athena.natives.registry import invalid, provide

_URI = re.compile(
    r"(?:(?P<protocol>[A-Za-z][A-Za-z0-9+.-]*):)?(?P<rest>[^#]*)(?:\#(?P<fragment>.*))?", re.DOTALL
)
_HIERARCHY = re.compile(r"(?://(?P<authority>[^/?]*))?(?P<path>[^?]*)(?:\?(?P<query>.*))?", re.DOTALL)
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_NUMBERS = r"\[[0-9A-Fa-f:.%\w]+\]|\d{1,3}(?:\.\d{1,3}){3}"
_HOST = rf"{_NUMBERS}|(?:{_LABEL}\.)*[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.?"
_AUTHORITY = re.compile(rf"(?:[^@]*@)?(?P<host>{_HOST})(?::(?P<port>[0-9]*))?")
_NO_CHARACTER = re.compile(r"""[\x00-\x20"<>\\^`{|}\x7f]|%(?![0-9A-Fa-f]{2})""")


def _parts(url: str) -> dict[str, str | None] | None:
    """Return the parts of a URL, decoded; ``None`` if it is none."""
    match = _URI.fullmatch(url)
    if match is None or _NO_CHARACTER.search(url):
        return None
    rest = match["rest"]
    parts: dict[str, str | None] = {"protocol": match["protocol"], "fragment": match["fragment"]}
    if match["protocol"] and not rest:
        return None
    if match["protocol"] and not rest.startswith("/"):
        return {**parts, "fragment": _decoded(match["fragment"])}  # opaque: no host, no path, no query
    found = _HIERARCHY.fullmatch(rest)
    if found is None:
        return None
    if found["authority"] == "" and not found["path"]:
        return None
    parts.update(path=found["path"], query=found["query"])
    server = _AUTHORITY.fullmatch(found["authority"] or "")
    if server:
        parts.update(host=server["host"], port=server["port"])
    return {name: value if name in ("host", "protocol") else _decoded(value) for name, value in parts.items()}


def _decoded(written: str | None) -> str | None:
    return None if written is None else unquote_to_bytes(written).decode("utf-8", "replace")


@provide("VARCHAR, VARCHAR -> VARCHAR")
def url_extract(url: str, part: str) -> str | None:
    """Return a part of a URL; a part that it lacks is an empty text."""
    parts = _parts(url)
    return None if parts is None else parts.get(part) or ""


@provide("VARCHAR -> BIGINT")
def url_extract_port(url: str) -> int | None:
    """Return the port, NULL if the URL has none."""
    parts = _parts(url)
    port = parts.get("port") if parts else None
    return int(port) if port else None


@provide("VARCHAR, VARCHAR -> VARCHAR")
def url_extract_parameter(url: str, name: str) -> str | None:
    """Return the first value of a parameter of the query."""
    parts = _parts(url)
    query = parts.get("query") if parts else None
    if query is None:
        return None
    for argument in query.split("&"):
        key, _, value = argument.partition("=")
        if key == name:
            return value
    return None


@provide("VARCHAR -> VARCHAR")
def url_encode(text: str) -> str:
    """Escape a text as a form does."""
    return quote_plus(text, safe="*-._").replace("~", "%7E")


@provide("VARCHAR -> VARCHAR")
def url_decode(text: str) -> str:
    """Undo ``url_encode``."""
    if bad := re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise invalid(
            f"URLDecoder: Illegal hex characters in escape (%) pattern - Error at index {bad.start()}"
        )
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "replace")
