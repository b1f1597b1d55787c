"""A key is named by its ARN wherever it can be named by its id.

moto answers some operations with an internal error when it gets the ARN.
https://docs.aws.amazon.com/kms/latest/APIReference/API_DisableKey.html
"""

from __future__ import annotations

from typing import Any

from moto.kms.models import KmsBackend

_BY_ID = ("enable_key", "disable_key", "schedule_key_deletion", "cancel_key_deletion")


def apply() -> None:
    """Take the id out of the ARN first."""
    for name in _BY_ID:
        _accept_arn(name)


def _accept_arn(name: str) -> None:
    serve = getattr(KmsBackend, name)

    def accepting(self: KmsBackend, key_id: str, *args: Any, **kwargs: Any) -> Any:
        return serve(self, self.get_key_id(key_id), *args, **kwargs)

    setattr(KmsBackend, name, accepting)
