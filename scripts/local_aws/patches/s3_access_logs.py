"""No server access log is made up.

S3 delivers these logs on a best-effort basis, hours later. moto writes one object for each request at once,
with an invented address, requester and status: evidence of calls that nobody made.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerLogs.html
"""

from __future__ import annotations

from typing import Any

from moto.s3.models import S3Backend


def apply() -> None:
    """Write none."""
    S3Backend.log_incoming_request = _deliver_nothing  # type: ignore[method-assign]


def _deliver_nothing(self: S3Backend, request: Any, bucket_name: str) -> None:
    """Within the life of a local AWS none would have come yet."""
