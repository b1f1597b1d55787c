"""Rotates an account's password, which is in a secret, in the four steps of AWS Secrets Manager.

Secrets Manager invokes a function four times for a new version of the secret, named by a token: create its
value (``createSecret``), set it in the account (``setSecret``), test it (``testSecret``), and make it current
(``finishSecret``). It retries steps that failed or were not answered, so each step may be repeated, and
repeating a finished step changes nothing. AWS Secrets Manager User Guide, "Lambda rotation functions".

A value is one JSON object, ``{"username", "password"}``, with any other fields that were added to it. The
password is generated here and sent only to Secrets Manager and to the account; it is in no exception, log or
answer.
"""

from __future__ import annotations

import json
import secrets as random
import string
import uuid
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol

from botocore.exceptions import ClientError

from custody.errors import CustodyError

CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"
PASSWORD_LENGTH = 40
_SYMBOLS = "-_.~"
_KINDS = (string.ascii_lowercase, string.ascii_uppercase, string.digits, _SYMBOLS)


class RotationError(CustodyError):
    """A step failed; Secrets Manager retries it, and the function's error raises an alarm."""


class Account(Protocol):
    """An account with one password in another system."""

    @property
    def name(self) -> str:
        """Its user name."""
        ...

    def set_password(self, password: str) -> None:
        """Make this its password; setting the same one again changes nothing.

        Raises ``RotationError`` if this is refused or not answered.
        """
        ...

    def check(self, password: str) -> bool:
        """Whether sign-in works with this password. Raises ``RotationError`` if this is not answered."""
        ...


class Done(StrEnum):
    """The result of a step."""

    MADE = "made"
    SET = "set"
    TESTED = "tested"
    FINISHED = "finished"
    ALREADY = "already done"


def new_password() -> str:
    """A random password of ``PASSWORD_LENGTH`` characters, 240 bits, with characters of every kind.

    Its symbols have no special meaning in shells, URLs, JSON and SQL.
    """
    while True:
        password = "".join(random.choice("".join(_KINDS)) for _ in range(PASSWORD_LENGTH))
        if all(set(kind) & set(password) for kind in _KINDS):
            return password


class Rotator:
    """Does the steps for one account. ``secrets`` is boto3's client for AWS Secrets Manager."""

    def __init__(
        self, *, secrets: Any, account: Account, make_password: Callable[[], str] = new_password
    ) -> None:
        self._secrets = secrets
        self._account = account
        self._make_password = make_password

    def begin(self, secret_id: str) -> Done:
        """Create a secret's first version, without a password, before rotation is enabled.

        Secrets Manager makes the very first version current at once, whatever its stage ("PutSecretValue");
        a password in it would be one that the account does not have yet.
        """
        if self._versions_by_stage(self._describe(secret_id)).get(CURRENT):
            return Done.ALREADY
        self._secrets.put_secret_value(
            SecretId=secret_id,
            ClientRequestToken=str(uuid.uuid5(uuid.NAMESPACE_URL, secret_id)),
            SecretString=json.dumps({"username": self._account.name}),
        )
        return Done.MADE

    def step(self, name: str, secret_id: str, token: str) -> Done:
        """Do the step ``name`` for the version ``token``.

        Raises ``RotationError`` for an unknown step, a secret that is not being rotated, a version that is
        not the pending one, and an account that fails; ``ClientError`` for the rest.
        """
        steps = {
            "createSecret": self._create,
            "setSecret": self._set,
            "testSecret": self._test,
            "finishSecret": self._finish,
        }
        if name not in steps:
            raise RotationError(f"There is no step {name!r} in a rotation.")
        description = self._describe(secret_id)
        if not description.get("RotationEnabled"):
            raise RotationError("Rotation is not enabled for the secret.")
        stages = description.get("VersionIdsToStages", {}).get(token)
        if stages is None:
            raise RotationError(f"The secret has no version {token}.")
        if CURRENT in stages:
            return Done.ALREADY
        if PENDING not in stages:
            raise RotationError(f"The version {token} is not the pending one.")
        current = self._versions_by_stage(description).get(CURRENT)
        if current is None:
            raise RotationError(
                "The secret has no current version, so the pending one would become current without a test.",
                "Invoke the function with the step firstVersion.",
            )
        return steps[name](secret_id, token, current)

    def _create(self, secret_id: str, token: str, current: str) -> Done:
        """Create the value: the current one, with all its other fields, and a new password."""
        if self._has_value(secret_id, token):
            return Done.ALREADY
        value = self._fields(secret_id, current, CURRENT)
        value |= {"username": self._account.name, "password": self._make_password()}
        try:
            self._secrets.put_secret_value(
                SecretId=secret_id,
                ClientRequestToken=token,
                SecretString=json.dumps(value),
                VersionStages=[PENDING],
            )
        except ClientError as error:
            # The same step, invoked twice concurrently: the other value is kept.
            if error.response["Error"]["Code"] == "ResourceExistsException":
                return Done.ALREADY
            raise
        return Done.MADE

    def _set(self, secret_id: str, token: str, _: str) -> Done:
        self._account.set_password(self._pending_password(secret_id, token))
        return Done.SET

    def _test(self, secret_id: str, token: str, _: str) -> Done:
        if not self._account.check(self._pending_password(secret_id, token)):
            raise RotationError("Sign-in with the pending password does not work.")
        return Done.TESTED

    def _finish(self, secret_id: str, token: str, current: str) -> Done:
        self._secrets.update_secret_version_stage(
            SecretId=secret_id, VersionStage=CURRENT, MoveToVersionId=token, RemoveFromVersionId=current
        )
        return Done.FINISHED

    def _describe(self, secret_id: str) -> dict[str, Any]:
        return dict(self._secrets.describe_secret(SecretId=secret_id))

    @staticmethod
    def _versions_by_stage(description: dict[str, Any]) -> dict[str, str]:
        versions = description.get("VersionIdsToStages", {})
        return {stage: version for version, stages in versions.items() for stage in stages}

    def _has_value(self, secret_id: str, token: str) -> bool:
        try:
            self._value(secret_id, token, PENDING)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return False
            raise
        return True

    def _value(self, secret_id: str, version: str, stage: str) -> Any:
        answer = self._secrets.get_secret_value(SecretId=secret_id, VersionId=version, VersionStage=stage)
        return answer.get("SecretString")

    def _fields(self, secret_id: str, version: str, stage: str) -> dict[str, Any]:
        """The value of a version: one JSON object. Raises ``RotationError`` for anything else."""
        try:
            fields = json.loads(self._value(secret_id, version, stage))
        except (ValueError, TypeError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            # Without the cause, which may quote the value.
            raise RotationError(
                f"The version {stage} is not a JSON object with username and password.",
                "Replace it with one; other fields are kept.",
            )
        return fields

    def _pending_password(self, secret_id: str, token: str) -> str:
        fields = self._fields(secret_id, token, PENDING)
        password = fields.get("password")
        if not isinstance(password, str):
            raise RotationError("The pending version is not a JSON object with username and password.")
        if fields.get("username") != self._account.name:
            raise RotationError("The pending version is for another account.")
        return password
