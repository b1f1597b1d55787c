"""Rotation by Secrets Manager: it invokes the function, one step after the other.

RotateSecret returns at once with the new version, which is pending and has no value. The four steps follow in
order, each after the previous one has succeeded; if one fails, the rotation is retried and then given up,
with its version still pending. Only the function makes a version current. moto invokes all steps at once,
with the secret's name instead of its ARN, and makes the new version current in any case.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.awslambda.utils import get_backend
from moto.secretsmanager.exceptions import InvalidRequestException, ResourceNotFoundException
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend

from scripts.local_aws.functions.runtime import Functions, StoppedError

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
ATTEMPTS = 3
RETRY_SECONDS = 1.0
"""Secrets Manager waits minutes before it retries a rotation."""
_CURRENT, _PENDING = "AWSCURRENT", "AWSPENDING"
_SECONDS_A_DAY = 86400


def install(functions: Functions) -> None:
    """Let RotateSecret run the function; what moto alone does without one stays."""
    rotate_without_function = SecretsManagerBackend.rotate_secret
    move_stage = SecretsManagerBackend.update_secret_version_stage

    def rotate(
        self: SecretsManagerBackend,
        *,
        secret_id: str,
        client_request_token: str | None = None,
        rotation_lambda_arn: str | None = None,
        rotation_rules: dict[str, Any] | None = None,
        rotate_immediately: bool = True,
    ) -> str:
        secret = self.secrets.get(secret_id)
        arn = rotation_lambda_arn or (isinstance(secret, FakeSecret) and secret.rotation_lambda_arn) or ""
        if not isinstance(secret, FakeSecret) or secret.is_deleted() or not arn or not rotate_immediately:
            return rotate_without_function(
                self, secret_id, client_request_token, rotation_lambda_arn, rotation_rules, rotate_immediately
            )
        function = _function(self, arn)
        token = client_request_token or str(uuid.uuid4())
        _refuse_if_under_way(secret, token)
        _configure(secret, arn, rotation_rules or {})
        secret.remove_version_stages_from_old_versions([_PENDING])
        secret.versions.setdefault(
            token, {"createdate": int(time.time()), "version_id": token, "version_stages": []}
        )["version_stages"].append(_PENDING)
        threading.Thread(
            target=_rotate, args=(functions, function, secret, token), name="rotation", daemon=True
        ).start()
        return str(secret.to_short_dict(version_id=token))

    def move(
        self: SecretsManagerBackend,
        secret_id: str,
        version_stage: str,
        remove_from_version_id: str,
        move_to_version_id: str,
    ) -> tuple[str, str]:
        answer = move_stage(self, secret_id, version_stage, remove_from_version_id, move_to_version_id)
        secret = self.secrets[secret_id]
        if version_stage == _CURRENT and move_to_version_id and isinstance(secret, FakeSecret):
            # What GetSecretValue hands out when it is not told which version.
            secret.default_version_id = move_to_version_id
        return answer

    SecretsManagerBackend.rotate_secret = rotate  # type: ignore[method-assign,assignment]
    SecretsManagerBackend.update_secret_version_stage = move  # type: ignore[method-assign]


def _function(backend: SecretsManagerBackend, arn: str) -> LambdaFunction:
    try:
        found: LambdaFunction = get_backend(backend.account_id, backend.region_name).get_function(arn)
    except Exception as error:
        raise ResourceNotFoundException(f"Resource not found for ARN '{arn}'.") from error
    return found


def _refuse_if_under_way(secret: FakeSecret, token: str) -> None:
    """A rotation that was given up is in the way too, until its version is no longer pending."""
    for version, stored in secret.versions.items():
        stages = stored["version_stages"]
        if _PENDING in stages and _CURRENT not in stages and version != token:
            raise InvalidRequestException(
                "A previous rotation isn't complete. That rotation will be reattempted."
            )


def _configure(secret: FakeSecret, arn: str, rules: dict[str, Any]) -> None:
    secret.rotation_requested = secret.rotation_enabled = True
    secret.rotation_lambda_arn = arn
    if days := rules.get("AutomaticallyAfterDays"):
        secret.auto_rotate_after_days = int(days)
        secret.next_rotation_date = int(time.time()) + int(days) * _SECONDS_A_DAY


def _rotate(functions: Functions, function: LambdaFunction, secret: FakeSecret, token: str) -> None:
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(RETRY_SECONDS)
        try:
            if _all_steps(functions, function, secret, token):
                secret.last_rotation_date = int(time.time())
                return
        except StoppedError:
            return


def _all_steps(functions: Functions, function: LambdaFunction, secret: FakeSecret, token: str) -> bool:
    for step in STEPS:
        event = {"Step": step, "SecretId": secret.arn, "ClientRequestToken": token}
        if functions.invoke(function, event).failed:
            return False
    return True
