"""AWS KMS that does not answer, for as long as it is told to.

Every call ends as a failure within KMS does: "KMSInternalException", HTTP status 500, which clients retry.
https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.kms.responses import KmsResponse

_ANSWER = json.dumps({"__type": "KMSInternalException", "message": "An internal error occurred."})


class Outage:
    """Whether KMS is out."""

    def __init__(self) -> None:
        self.is_on = False

    def install(self) -> None:
        """Stand in front of every call of KMS."""
        serve = KmsResponse.call_action

        def call_action(response: KmsResponse) -> Any:
            if self.is_on:
                return 500, {"Content-Type": "application/x-amz-json-1.1", "status": 500}, _ANSWER
            return serve(response)

        KmsResponse.call_action = call_action  # type: ignore[method-assign,assignment]
