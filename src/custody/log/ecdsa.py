"""Verifying ECDSA over P-256 and SHA-256 without ``cryptography``, which the Lambda functions do not have.

Standards: FIPS 186-5 section 6.4.2, with the curve of SP 800-186 section 3.2.1.3; the signature is in DER
(RFC 3279 section 2.2.3), the key a SubjectPublicKeyInfo (RFC 5480 section 2). Everything here is public, so
the time that it takes may depend on it. Nothing here may sign.
"""

from __future__ import annotations

import hashlib

from custody.errors import EvidenceError

_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
"""Of the field, the group, and the curve's equation y² = x³ - 3x + b."""
_SPKI_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
"""What precedes x and y of a key: the curve by its name, and an uncompressed point."""

_Point = tuple[int, int, int]
"""X, Y, Z in Jacobian coordinates: x = X / Z², y = Y / Z³; Z = 0 is the point at infinity."""
_G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    1,
)


def parse_public_key(spki: bytes) -> tuple[int, int]:
    """The point of a key's SubjectPublicKeyInfo in DER.

    Raises ``EvidenceError`` if it is not one of P-256.
    """
    if not spki.startswith(_SPKI_PREFIX) or len(spki) != len(_SPKI_PREFIX) + 64:
        raise EvidenceError("The key is not one of P-256 with an uncompressed point.")
    x, y = int.from_bytes(spki[-64:-32]), int.from_bytes(spki[-32:])
    if x >= _P or y >= _P or (y * y - x * x * x + 3 * x - _B) % _P:
        raise EvidenceError("The key is not a point of P-256.")
    return x, y


def is_signature(point: tuple[int, int], signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` (DER) over the SHA-256 of ``message`` verifies with a key's point."""
    numbers = _parse_signature(signature)
    if numbers is None or not all(0 < number < _N for number in numbers):
        return False
    r, s = numbers
    inverse = pow(s, -1, _N)
    digest = int.from_bytes(hashlib.sha256(message).digest())
    x, _, z = _sum_of_multiples(digest * inverse % _N, _G, r * inverse % _N, (*point, 1))
    return z != 0 and x * pow(z, -2, _P) % _P % _N == r


def _parse_signature(signature: bytes) -> tuple[int, int] | None:
    """The numbers r and s of an Ecdsa-Sig-Value; ``None`` if these bytes are not its one encoding in DER."""
    r_end = 4 + signature[3] if len(signature) > 3 else 0
    r, s = int.from_bytes(signature[4:r_end]), int.from_bytes(signature[r_end + 2 :])
    return (r, s) if signature == _to_der(r, s) else None


def _to_der(*numbers: int) -> bytes:
    encoded = [number.to_bytes(number.bit_length() // 8 + 1) for number in numbers]
    body = b"".join(b"\x02" + bytes([len(each) % 256]) + each for each in encoded)
    return b"\x30" + bytes([len(body) % 256]) + body


def _sum_of_multiples(k: int, first: _Point, m: int, second: _Point) -> _Point:
    """``k`` times one point plus ``m`` times another."""
    sums = {(1, 0): first, (0, 1): second, (1, 1): _add(first, second)}
    total = (1, 1, 0)
    for bit in reversed(range(max(k.bit_length(), m.bit_length()))):
        total = _double(total)
        which = (k >> bit & 1, m >> bit & 1)
        if which in sums:
            total = _add(total, sums[which])
    return total


def _double(point: _Point) -> _Point:
    """Formulas "dbl-2001-b" of the Explicit-Formulas Database, for curves with a = -3."""
    x, y, z = point
    delta, gamma = z * z % _P, y * y % _P
    beta, alpha = x * gamma % _P, 3 * (x - delta) * (x + delta) % _P
    new_x = (alpha * alpha - 8 * beta) % _P
    new_y = (alpha * (4 * beta - new_x) - 8 * gamma * gamma) % _P
    return new_x, new_y, 2 * y * z % _P


def _add(one: _Point, other: _Point) -> _Point:
    """Formulas "add-1998-cmo-2" of the same."""
    if one[2] == 0 or other[2] == 0:
        return other if one[2] == 0 else one
    (x1, y1, z1), (x2, y2, z2) = one, other
    zz1, zz2 = z1 * z1 % _P, z2 * z2 % _P
    u1, u2 = x1 * zz2 % _P, x2 * zz1 % _P
    s1, s2 = y1 * z2 * zz2 % _P, y2 * z1 * zz1 % _P
    if u1 == u2:
        return _double(one) if s1 == s2 else (1, 1, 0)
    h, r = u2 - u1, s2 - s1
    hh = h * h % _P
    hhh, v = h * hh % _P, u1 * hh % _P
    x3 = (r * r - hhh - 2 * v) % _P
    return x3, (r * (v - x3) - s1 * hhh) % _P, z1 * z2 * h % _P
