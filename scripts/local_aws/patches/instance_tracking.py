"""What is deleted is gone from memory.

moto keeps a list of every model it ever made, for a dashboard: each object version, each part of an upload.
"""

from __future__ import annotations

from typing import Any

from moto.core.common_models import BaseModel


def apply() -> None:
    """Make models without noting them."""
    BaseModel.__new__ = staticmethod(_new)  # type: ignore[method-assign]


def _new(cls: type[BaseModel], *_: Any, **__: Any) -> BaseModel:
    return object.__new__(cls)
