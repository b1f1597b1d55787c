"""Our verification of ECDSA over P-256 says what that of ``cryptography`` says."""

from __future__ import annotations

import hashlib
import random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from custody.errors import EvidenceError
from custody.log.ecdsa import is_signature, parse_public_key
from tests.support.ecdsa import spki, to_der

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SCALARS = st.integers(1, N - 1) | st.integers(1, 3) | st.integers(N - 3, N - 1)


def public_numbers(scalar: int) -> tuple[int, int]:
    numbers = ec.derive_private_key(scalar, ec.SECP256R1()).public_key().public_numbers()
    return numbers.x, numbers.y


def by_cryptography(point: tuple[int, int], signature: bytes, message: bytes) -> bool:
    key = ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key()
    try:
        key.verify(signature, message, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


@given(SCALARS, st.binary(max_size=200))
def test_what_is_signed_verifies(scalar: int, message: bytes) -> None:
    private = ec.derive_private_key(scalar, ec.SECP256R1())
    signature = private.sign(message, ec.ECDSA(SHA256()))
    point = public_numbers(scalar)
    assert is_signature(point, signature, message)
    assert not is_signature(point, signature, message + b"\0")
    r, s = decode_dss_signature(signature)
    assert is_signature(point, to_der(r, N - s), message), "both signs of s verify (FIPS 186-5)"
    for wrong in ((s, r), (r + N, s), (r, s + N), (0, s), (r, 0), (N, s), (r, N), (1, 1)):
        assert is_signature(point, to_der(*wrong), message) == by_cryptography(point, to_der(*wrong), message)


@given(SCALARS, SCALARS)
def test_numbers_that_are_chosen_are_judged_alike(scalar: int, nonce: int) -> None:
    """With chosen numbers the two multiples meet at the same point, at opposite ones, and at infinity."""
    message = b"chosen"
    digest = int.from_bytes(hashlib.sha256(message).digest()) % N
    r = public_numbers(nonce)[0] % N
    s = pow(nonce, -1, N) * (digest + r * scalar) % N
    opposite = -digest * pow(r, -1, N) % N  # With this key u1·G + u2·Q is the point at infinity, whatever s.
    same = digest * pow(r, -1, N) % N  # With this one the two are the same point.
    same_s = pow(nonce, -1, N) * 2 * digest % N
    for key, number in ((scalar, s), (opposite, nonce), (same, same_s), (same, nonce)):
        if number:
            signature, point = to_der(r, number), public_numbers(key)
            assert is_signature(point, signature, message) == by_cryptography(point, signature, message)
    assert is_signature(public_numbers(same), to_der(r, same_s), message)
    assert not is_signature(public_numbers(opposite), to_der(r, nonce), message)


@given(st.integers())
def test_only_the_one_encoding_in_der_is_read(seed: int) -> None:
    chance = random.Random(seed)
    private, message = ec.derive_private_key(7, ec.SECP256R1()), b"encoded"
    changed = bytearray(private.sign(message, ec.ECDSA(SHA256())))
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(changed) + 1)
        if chance.random() < 0.5:
            changed[place:place] = bytes([chance.choice([0, 1, 2, 0x30, 0x80, 0x81, 0xFF])])
        else:
            del changed[place : place + chance.randrange(1, 3)]
    point = public_numbers(7)
    assert is_signature(point, bytes(changed), message) == by_cryptography(point, bytes(changed), message)


@pytest.mark.parametrize(
    "signature", [b"", b"\x30", bytes(9), b"\x30\x00", bytes(70_000), b"\x30\x06\x02\x01\x01\x02\x01\x01"]
)
def test_what_is_no_signature_is_none(signature: bytes) -> None:
    assert not is_signature(public_numbers(7), signature, b"")


def test_r_is_a_remainder() -> None:
    """An x from the group's order up to the field's is its remainder in the signature: one in 2¹²⁸."""
    message = b"forged for a key of its own"
    digest = int.from_bytes(hashlib.sha256(message).digest()) % N
    x = next(x for x in range(N, N + 1000) if pow(y2(x), (P - 1) // 2, P) == 1)
    y = pow(y2(x), (P + 1) // 4, P)
    r = x - N
    # Q = (R - digest·G) / r, with s = 1.
    minus = public_numbers(-digest % N)
    slope = (minus[1] - y) * pow(minus[0] - x, -1, P) % P
    sum_x = (slope * slope - x - minus[0]) % P
    multiple_x = exchanged(pow(r, -1, N), (sum_x, (slope * (x - sum_x) - y) % P))
    root = pow(y2(multiple_x), (P + 1) // 4, P)
    points = [(multiple_x, root), (multiple_x, P - root)]
    assert sorted(by_cryptography(point, to_der(r, 1), message) for point in points) == [False, True]
    for point in points:
        assert is_signature(point, to_der(r, 1), message) == by_cryptography(point, to_der(r, 1), message)


def y2(x: int) -> int:
    return (x**3 - 3 * x + 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B) % P


def exchanged(scalar: int, point: tuple[int, int]) -> int:
    """The x of a multiple, which is what ECDH gives."""
    peer = ec.EllipticCurvePublicNumbers(*point, ec.SECP256R1()).public_key()
    return int.from_bytes(ec.derive_private_key(scalar, ec.SECP256R1()).exchange(ec.ECDH(), peer))


def test_keys_of_other_kinds_are_refused() -> None:
    x, y = public_numbers(7)
    assert parse_public_key(spki(x, y)) == (x, y)
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    compressed = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    for wrong in (
        b"",
        spki(x, y)[:-1],
        spki(x, y) + b"\0",
        spki(x, y ^ 1),
        spki(0, 0),
        spki(x, P - 1),
        spki(5, 2**256 - 1),
        other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        compressed.public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
    ):
        with pytest.raises(EvidenceError):
            parse_public_key(wrong)


@given(st.integers(0, 89), st.integers(0, 7))
def test_a_key_is_read_as_cryptography_reads_it(place: int, bit: int) -> None:
    changed = bytearray(spki(*public_numbers(7)))
    changed[place] ^= 1 << bit
    try:
        key = load_der_public_key(bytes(changed))
        is_right = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    except Exception:  # noqa: BLE001 - of many kinds
        is_right = False
    try:
        parse_public_key(bytes(changed))
    except EvidenceError:
        return
    assert is_right
