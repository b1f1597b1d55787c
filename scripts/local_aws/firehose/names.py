"""What Firehose calls the objects it delivers: a prefix with expressions, then stream, time and a UUID.

Prefixes: https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
Names: https://docs.aws.amazon.com/firehose/latest/dev/s3-object-name.html
"""

from __future__ import annotations

import re
import secrets
import string
import uuid
from datetime import datetime

_EXPRESSION = re.compile(r"!\{([^:}]*):([^}]*)\}")
_DEFAULT = "!{timestamp:yyyy/MM/dd/HH/}"
_ERROR_TYPE = "!{firehose:error-output-type}"
_RANDOM_CHARACTERS = 11
_TIME_PARTS = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_TIME_TOKEN = re.compile(r"'([^']*)'|([A-Za-z])\2*|([^A-Za-z'])")


def check_prefixes(prefix: str, error_prefix: str) -> None:
    """Raise ``ValueError`` for prefixes that Firehose refuses, or that are not expanded here."""
    for name, value in (("Prefix", prefix), ("ErrorOutputPrefix", error_prefix)):
        if "!{" in _EXPRESSION.sub("", value):
            raise ValueError(f"{name} has !{{ outside of an expression !{{namespace:value}}: {value}")
        for namespace, argument in _EXPRESSION.findall(value):
            if namespace == "timestamp":
                _time_format(argument)
            elif (namespace, argument) not in {
                ("firehose", "error-output-type"),
                ("firehose", "random-string"),
            }:
                raise ValueError(f"{name} has an unknown expression !{{{namespace}:{argument}}}")
    if _ERROR_TYPE in prefix:
        raise ValueError(f"Prefix cannot contain {_ERROR_TYPE}")
    if _EXPRESSION.search(prefix) and not error_prefix:
        raise ValueError("ErrorOutputPrefix cannot be null or empty when Prefix contains expressions")
    if _EXPRESSION.search(error_prefix) and _ERROR_TYPE not in error_prefix:
        raise ValueError(f"ErrorOutputPrefix with expressions must contain {_ERROR_TYPE}")


def object_key(prefix: str, stream: str, version: str, moment: datetime, extension: str = "") -> str:
    """Return a new name for an object whose oldest record came at ``moment``, in UTC."""
    if "!{timestamp:" not in prefix:
        prefix += _DEFAULT
    folder = _EXPRESSION.sub(lambda found: _value(found[1], found[2], moment), prefix)
    return f"{folder}{stream}-{version}-{moment:%Y-%m-%d-%H-%M-%S}-{uuid.uuid4()}{extension}"


def _value(namespace: str, argument: str, moment: datetime) -> str:
    if namespace == "timestamp":
        return moment.strftime(_time_format(argument))
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _ in range(_RANDOM_CHARACTERS))


def _time_format(pattern: str) -> str:
    """Return the ``strftime`` format of a pattern of Java's ``DateTimeFormatter``. Raises ``ValueError``."""
    if "".join(found[0] for found in _TIME_TOKEN.finditer(pattern)) != pattern:
        raise ValueError(f"an unfinished quote in the timestamp {pattern!r}")
    parts = []
    for found in _TIME_TOKEN.finditer(pattern):
        literal, letter, other = found.groups()
        if letter and found[0] not in _TIME_PARTS:
            raise ValueError(f"{found[0]!r} in the timestamp {pattern!r}; there are {', '.join(_TIME_PARTS)}")
        parts.append(_TIME_PARTS[found[0]] if letter else (literal or other or "").replace("%", "%%"))
    return "".join(parts)
