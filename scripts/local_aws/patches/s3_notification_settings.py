"""That a bucket sends its events to EventBridge is read back.

moto leaves ``EventBridgeConfiguration`` out of the answer.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.s3.responses import S3Response


def apply() -> None:
    """Add it to the answer."""
    serialized = S3Response.serialized

    def serialized_whole(self: S3Response, action_result: ActionResult) -> Any:
        if self.data.get("Action") == "GetBucketNotificationConfiguration":
            found = self.backend.get_bucket_notification_configuration(self.bucket_name)
            if found and found.event_bridge is not None:
                action_result.result["EventBridgeConfiguration"] = {}  # type: ignore[index]
        return serialized(self, action_result)

    S3Response.serialized = serialized_whole  # type: ignore[method-assign,assignment]
