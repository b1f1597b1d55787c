"""Every answer names its request as AWS does, in the error document as in the header.

moto makes up 52 letters, and for S3 others in the document than the caller finds in the header.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/get-request-ids.html
"""

from __future__ import annotations

import uuid
from typing import Any

from moto.core import responses

from scripts.local_aws.calls import current


def apply() -> None:
    """S3's request id is the call's; every other service's is a UUID."""
    responses.gen_amzn_requestid_long = _request_id  # type: ignore[attr-defined]


def _request_id(headerdict: dict[str, Any] | None = None) -> str:
    call = current()
    if call is not None:
        return call.request_id
    request_id = str(uuid.uuid4())
    if headerdict is not None:
        headerdict["x-amzn-requestid"] = request_id
    return request_id
