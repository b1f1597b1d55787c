"""Functions of bytes.

https://trino.io/docs/current/functions/binary.html
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import zlib

from scripts.local_aws.athena.natives.registry import invalid, provide


@provide("VARCHAR, BLOB, BLOB -> BLOB")
def keyed_hash(algorithm: str, value: bytes, key: bytes) -> bytes:
    """Return an HMAC."""
    if not key:
        raise invalid("Empty key")
    return hmac.new(key, value, algorithm).digest()


@provide("VARCHAR, BLOB -> BLOB")
def digest(algorithm: str, value: bytes) -> bytes:
    """Return a hash."""
    return hashlib.new(algorithm, value, usedforsecurity=False).digest()


@provide("BLOB -> BIGINT")
def crc32(value: bytes) -> int:
    """Return the CRC-32."""
    return zlib.crc32(value)


@provide("BLOB -> VARCHAR")
def from_utf8(value: bytes) -> str:
    """Read bytes as UTF-8; what is none becomes U+FFFD."""
    return value.decode("utf-8", "replace")


@provide("BLOB, VARCHAR -> VARCHAR")
def from_utf8_with(value: bytes, replacement: str) -> str:
    """Read bytes as UTF-8; what is none becomes the replacement."""
    if len(replacement) > 1:
        raise invalid("Replacement character string must empty or a single character")
    result, rest = "", value
    while rest:
        try:
            return result + rest.decode()
        except UnicodeDecodeError as error:
            result += rest[: error.start].decode() + replacement
            rest = rest[error.end :]
    return result


@provide("VARCHAR, VARCHAR -> BLOB")
def from_text(form: str, text: str) -> bytes:
    """Read bytes written as hexadecimal digits, base 32 or base 64."""
    try:
        match form:
            case "hex":
                if len(text) % 2 or not re.fullmatch("[0-9A-Fa-f]*", text):
                    raise invalid(_hex_complaint(text))
                return bytes.fromhex(text)
            case "base32":
                return base64.b32decode(text + "=" * (-len(text) % 8))
            case "base64url":
                text = text.replace("-", "+").replace("_", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4) if "=" not in text else text, validate=True)
    except ValueError as error:  # binascii.Error is one; a character beyond ASCII is another
        raise invalid(f"{error}: {text}") from error


def _hex_complaint(text: str) -> str:
    bad = re.search("[^0-9A-Fa-f]", text)
    return f"invalid hex character: {bad[0]}" if bad else "hex string must be of even length"


@provide("VARCHAR, BLOB -> VARCHAR")
def to_text(form: str, value: bytes) -> str:
    """Write bytes in base 32 or the alphabet for URLs of base 64."""
    return (base64.b32encode(value) if form == "base32" else base64.urlsafe_b64encode(value)).decode()


_NUMBERS = {
    "big_endian_32": (">i", 4, "expected 4-byte input, but got instead: {}"),
    "big_endian_64": (">q", 8, "expected 8-byte input, but got instead: {}"),
    "ieee754_32": (">f", 4, "Input floating-point value must be exactly 4 bytes long"),
    "ieee754_64": (">d", 8, "Input floating-point value must be exactly 8 bytes long"),
}


@provide("VARCHAR, DOUBLE -> BLOB")
def real_bytes(form: str, value: float) -> bytes:
    """Write a floating-point number as bytes."""
    return struct.pack(_NUMBERS[form][0], value)


@provide("VARCHAR, BIGINT -> BLOB")
def integer_bytes(form: str, value: int) -> bytes:
    """Write an integer as bytes."""
    return struct.pack(_NUMBERS[form][0], value)


@provide("VARCHAR, BLOB -> BIGINT")
def integer_of(form: str, value: bytes) -> int:
    """Read an integer from bytes."""
    return int(_number(form, value))


@provide("VARCHAR, BLOB -> DOUBLE")
def real_of(form: str, value: bytes) -> float:
    """Read a floating-point number from bytes."""
    return _number(form, value)


def _number(form: str, value: bytes) -> float:
    code, length, complaint = _NUMBERS[form]
    if len(value) != length:
        raise invalid(complaint.format(value.hex(" ").upper()))
    (number,) = struct.unpack(code, value)
    return number  # type: ignore[no-any-return]


@provide("BLOB, BIGINT, BIGINT -> BLOB")
def bytes_part(value: bytes, start: int, length: int) -> bytes:
    """Return a part of bytes, by the rules of ``substr``."""
    if start == 0 or length <= 0 or -start > len(value):
        return b""
    begin = start - 1 if start > 0 else len(value) + start
    return value[begin : begin + length]


@provide("BLOB, BIGINT, BLOB, BOOLEAN -> BLOB")
def bytes_pad(value: bytes, length: int, padding: bytes, left: bool) -> bytes:
    """Fill up, or cut, bytes to a length."""
    if not 0 <= length <= 2**31 - 1:
        raise invalid(f"Target length must be in the range [0..{2**31 - 1}]")
    if not padding:
        raise invalid("Padding bytes must not be empty")
    missing = length - len(value)
    if missing <= 0:
        return value[:length]
    filled = (padding * (missing // len(padding) + 1))[:missing]
    return filled + value if left else value + filled


@provide("BLOB -> BLOB")
def bytes_reverse(value: bytes) -> bytes:
    """Reverse bytes."""
    return value[::-1]
