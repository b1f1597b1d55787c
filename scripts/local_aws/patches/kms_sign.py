"""KMS signs and verifies digests as digests, refuses disabled keys, and over-long or mis-sized messages.

moto hashes a message of type ``DIGEST`` once more, so that no one but itself can verify the signature.
https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
"""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from moto.core.exceptions import JsonRESTError
from moto.kms.exceptions import ValidationException
from moto.kms.models import Key
from moto.kms.responses import KmsResponse

MAX_RAW_BYTES = 4096
_MESSAGE_TYPES = {"ED25519_SHA_512": "RAW", "ED25519_PH_SHA_512": "DIGEST"}
"""The algorithms that take one type of message only."""
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA_256": hashes.SHA256(),
    "SHA_384": hashes.SHA384(),
    "SHA_512": hashes.SHA512(),
}


def apply() -> None:
    """Replace moto's Sign and Verify."""
    KmsResponse.sign = _sign  # type: ignore[method-assign]
    KmsResponse.verify = _verify  # type: ignore[method-assign]


def _sign(self: KmsResponse) -> str:
    key, message, algorithm = _request(self)
    private = _key_pair(key)
    hashing = _hashing(self, message, algorithm)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        signature = private.sign(message)
    elif isinstance(private, ec.EllipticCurvePrivateKey):
        signature = private.sign(message, ec.ECDSA(hashing))
    else:
        signature = private.sign(message, _padding(algorithm), hashing)
    return json.dumps(
        {
            "KeyId": key.arn,
            "Signature": base64.b64encode(signature).decode(),
            "SigningAlgorithm": algorithm,
        }
    )


def _verify(self: KmsResponse) -> str:
    key, message, algorithm = _request(self)
    signature = _bytes(self._get_param("Signature"))
    public = _key_pair(key).public_key()
    hashing = _hashing(self, message, algorithm)
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, message, _padding(algorithm), hashing)
        elif isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, message)
        else:
            public.verify(signature, message, ec.ECDSA(hashing))
    except InvalidSignature as error:
        raise JsonRESTError("KMSInvalidSignatureException", "") from error
    return json.dumps({"KeyId": key.arn, "SignatureValid": True, "SigningAlgorithm": algorithm})


def _request(response: KmsResponse) -> tuple[Key, bytes, str]:
    """Key, message and algorithm of a request, checked as AWS checks them."""
    key_id = str(response._get_param("KeyId"))
    algorithm = str(response._get_param("SigningAlgorithm"))
    message = _bytes(response._get_param("Message"))
    response._validate_key_id(key_id)
    key: Key = response.kms_backend.describe_key(key_id)
    if key.key_state == "PendingDeletion":
        raise JsonRESTError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
    if not key.enabled:
        raise JsonRESTError("DisabledException", f"{key.arn} is disabled.")
    if key.key_usage != "SIGN_VERIFY":
        raise JsonRESTError(
            "InvalidKeyUsageException", f"{key.arn} key usage is {key.key_usage} which is not valid for Sign."
        )
    if algorithm not in key.signing_algorithms:
        raise JsonRESTError(
            "InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {key.key_spec}."
        )
    if not message:
        raise ValidationException(
            "1 validation error detected: Value at 'message' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1"
        )
    return key, message, algorithm


def _key_pair(key: Key) -> Any:
    """The ``cryptography`` key within moto's, which has no common type for it."""
    held: Any = key.private_key
    return held.private_key


def _hashing(response: KmsResponse, message: bytes, algorithm: str) -> Any:
    """What the message still needs before it is signed: hashing if it is raw, nothing if it is a digest."""
    digest = next(value for name, value in _HASHES.items() if algorithm.endswith(name))
    kind = response._get_param("MessageType") or "RAW"
    if kind != _MESSAGE_TYPES.get(algorithm, kind):
        raise ValidationException(f"MessageType {kind} is not valid for algorithm {algorithm}.")
    if algorithm == "ED25519_PH_SHA_512":
        raise ValidationException("The local AWS KMS does not sign Ed25519ph.")
    if kind == "DIGEST":
        if len(message) != digest.digest_size:
            raise ValidationException(f"Digest is invalid length for algorithm {algorithm}.")
        return utils.Prehashed(digest)
    if len(message) > MAX_RAW_BYTES:
        raise ValidationException(
            "1 validation error detected: Value at 'message' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_RAW_BYTES}"
        )
    return digest


def _padding(algorithm: str) -> padding.AsymmetricPadding:
    if algorithm.startswith("RSASSA_PKCS1"):
        return padding.PKCS1v15()
    digest = next(value for name, value in _HASHES.items() if algorithm.endswith(name))
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.DIGEST_LENGTH)


def _bytes(value: str | bytes) -> bytes:
    """Moto decodes base64 parameters on some paths and not on others."""
    return value if isinstance(value, bytes) else base64.b64decode(value)
