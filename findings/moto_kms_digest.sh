#!/bin/sh
# moto's KMS hashes what it is told is a digest already: with MessageType=DIGEST the signature is one of the digest's
# digest. Its own Verify does the same, so that a test against moto alone passes.
#
# Why it matters: evidence is verified without KMS, with the public key. Code that is right on AWS fails offline on
# moto, and code that hashes twice to please moto makes signatures nobody else can verify.
# Expected: the signature verifies for the message. AWS KMS API reference, Sign, MessageType: with DIGEST, the hashing
# step of the signing algorithm is skipped.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "moto[kms]==5.2.5" cryptography==50.0.2
AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=eu-central-1 "$folder/venv/bin/python" -W ignore - <<'PY'
import hashlib
import sys

import boto3
import moto
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

message = b"what was received"
digest = hashlib.sha256(message).digest()
with moto.mock_aws():
    kms = boto3.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    call = {"KeyId": key, "Message": digest, "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = kms.sign(**call)["Signature"]
    own = kms.verify(**call, Signature=signature)["SignatureValid"]
    public = load_der_public_key(kms.get_public_key(KeyId=key)["PublicKey"])


def holds(signed):
    try:
        public.verify(signature, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


seen = {"moto's Verify": own, "offline, of the message": holds(message), "offline, of the digest": holds(digest)}
print("version ", "moto", moto.__version__)
print("expected", {**dict.fromkeys(seen, True), "offline, of the digest": False})
print("seen    ", seen)
sys.exit(list(seen.values()) != [True, False, True])
PY
