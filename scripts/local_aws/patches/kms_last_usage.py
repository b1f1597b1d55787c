"""KMS tells when a key was last used to sign or verify; moto lacks the operation.

https://docs.aws.amazon.com/kms/latest/APIReference/API_GetKeyLastUsage.html
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any
from weakref import WeakKeyDictionary

from moto.kms.models import Key
from moto.kms.responses import KmsResponse

_last_used: WeakKeyDictionary[Key, dict[str, str | float]] = WeakKeyDictionary()


def apply() -> None:
    """Answer GetKeyLastUsage for keys that sign."""
    KmsResponse.call_action = _call_action  # type: ignore[assignment,method-assign]
    KmsResponse.get_key_last_usage = _get_key_last_usage  # type: ignore[attr-defined]


def _call_action(self: KmsResponse) -> Any:
    answer = super(KmsResponse, self).call_action()
    operation = str(self._get_action())
    if operation in {"Sign", "Verify"} and int(answer[0]) < 400:
        _last_used[_key(self)] = {
            "Operation": operation,
            "Timestamp": time.time(),
            "CloudTrailEventId": str(uuid.uuid4()),
            "KmsRequestId": str(uuid.uuid4()),
        }
    return answer


def _get_key_last_usage(self: KmsResponse) -> str:
    self._validate_key_id(self._get_param("KeyId"))
    key = _key(self)
    if key.key_usage != "SIGN_VERIFY":
        raise NotImplementedError(f"GetKeyLastUsage of a key for {key.key_usage}")
    created = key.creation_date
    return json.dumps(
        {
            "KeyId": key.arn,
            "KeyLastUsage": _last_used.get(key, {}),
            "TrackingStartDate": created,
            "KeyCreationDate": created,
        }
    )


def _key(response: KmsResponse) -> Key:
    key: Key = response.kms_backend.describe_key(str(response._get_param("KeyId")))
    return key
