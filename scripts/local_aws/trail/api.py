"""CloudTrail's ListPublicKeys, which moto lacks: it is needed to validate digests.

https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_ListPublicKeys.html
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

from moto.cloudtrail.responses import CloudTrailResponse

from scripts.local_aws.trail.signing_key import DigestKey


def install(key: DigestKey) -> None:
    """Answer with ``key`` where its validity falls within the time asked for."""

    def list_public_keys(self: CloudTrailResponse) -> str:
        start = _moment(self._get_param("StartTime"), key.valid_from)
        end = _moment(self._get_param("EndTime"), key.valid_until)
        in_time = start <= key.valid_until and end >= key.valid_from
        return json.dumps({"PublicKeyList": [_described(key)] if in_time else []})

    CloudTrailResponse.list_public_keys = list_public_keys  # type: ignore[attr-defined]


def _described(key: DigestKey) -> dict[str, str | float]:
    return {
        "Value": base64.b64encode(key.public_der).decode(),
        "ValidityStartTime": key.valid_from.timestamp(),
        "ValidityEndTime": key.valid_until.timestamp(),
        "Fingerprint": key.fingerprint,
    }


def _moment(value: float | str | None, default: datetime) -> datetime:
    """A time as AWS's JSON protocol writes it: seconds since 1970."""
    return default if value is None else datetime.fromtimestamp(float(value), UTC)
