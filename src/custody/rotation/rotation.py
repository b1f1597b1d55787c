"""Rotates the password of an account that a secret holds, in the four steps of AWS Secrets Manager.

Secrets Manager calls a function four times for a new version of the secret, named by a token: make its value
(``createSecret``), give it to the account (``setSecret``), try it (``testSecret``), and let everybody have it
(``finishSecret``). It calls again what failed or was never answered, so each step may be repeated, and a step
that was done does nothing more. AWS Secrets Manager User Guide, "Lambda rotation functions".

A value is one JSON object, ``{"username", "password"}``, and whatever else somebody added to it. The password
is made here and goes to Secrets Manager and to the account; it is in no exception, no log and no answer.
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
    """A step cannot be done; Secrets Manager tries it again, and the function's alarm tells of it."""


class Account(Protocol):
    """An account with one password, somewhere else."""

    @property
    def name(self) -> str:
        """The name it signs in by."""
        ...

    def set_password(self, password: str) -> None:
        """Make this its password, whatever it was before; the same one again changes nothing.

        Raises ``RotationError`` if that is refused or not answered.
        """
        ...

    def check(self, password: str) -> bool:
        """Whether the account opens with this password. Raises ``RotationError`` if that is not answered."""
        ...


class Done(StrEnum):
    """What came of a step."""

    MADE = "made"
    SET = "set"
    TESTED = "tested"
    FINISHED = "finished"
    ALREADY = "already done"


def new_password() -> str:
    """A password of ``PASSWORD_LENGTH`` characters, 240 bits at random, with some of every kind.

    Its symbols mean nothing to shells, URLs, JSON and SQL.
    """
    while True:
        password = "".join(random.choice("".join(_KINDS)) for _ in range(PASSWORD_LENGTH))
        if all(set(kind) & set(password) for kind in _KINDS):
            return password


class Rotator:
    """Does the steps for one account. ``secrets`` is boto3's client of AWS Secrets Manager."""

    def __init__(
        self, *, secrets: Any, account: Account, make_password: Callable[[], str] = new_password
    ) -> None:
        self._secrets = secrets
        self._account = account
        self._make_password = make_password

    def begin(self, secret_id: str) -> Done:
        """Give a secret its first version, without a password: before its rotation is switched on.

        Secrets Manager hands out the very first version at once, whatever its stage ("PutSecretValue"); with
        a password in it, that would be one the account does not have yet.
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
        not the pending one, and an account that does not do its part; ``ClientError`` for the rest.
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
            raise RotationError("The secret's rotation is not switched on.")
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
                "The secret has no current version, so that the pending one would be handed out untried.",
                "Call the function with the step firstVersion.",
            )
        return steps[name](secret_id, token, current)

    def _create(self, secret_id: str, token: str, current: str) -> Done:
        """Make the value: the current one, whatever else it holds, with another password."""
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
            # The same step, called twice at once: the other's value stands.
            if error.response["Error"]["Code"] == "ResourceExistsException":
                return Done.ALREADY
            raise
        return Done.MADE

    def _set(self, secret_id: str, token: str, _: str) -> Done:
        self._account.set_password(self._pending_password(secret_id, token))
        return Done.SET

    def _test(self, secret_id: str, token: str, _: str) -> Done:
        if not self._account.check(self._pending_password(secret_id, token)):
            raise RotationError("The account does not open with the pending password.")
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
        """The value of a version: one JSON object. Raises ``RotationError`` if it is something else."""
        try:
            fields = json.loads(self._value(secret_id, version, stage))
        except (ValueError, TypeError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            # Not with its cause, which may quote the value.
            raise RotationError(
                f"The version {stage} is not a JSON object with username and password.",
                "Put one in its place; fields beside those two are kept.",
            )
        return fields

    def _pending_password(self, secret_id: str, token: str) -> str:
        fields = self._fields(secret_id, token, PENDING)
        password = fields.get("password")
        if not isinstance(password, str):
            raise RotationError("The pending version is not a JSON object with username and password.")
        if fields.get("username") != self._account.name:
            raise RotationError("The pending version is of another account.")
        return password
