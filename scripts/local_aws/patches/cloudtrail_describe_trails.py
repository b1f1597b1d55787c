"""DescribeTrails returns the trails it was asked for; a trail is deleted by its ARN as well as by its name.

moto ignores ``trailNameList`` and so Terraform's provider finds "too many results" with a second trail.
https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html
"""

from __future__ import annotations

import json

from moto.cloudtrail.models import CloudTrailBackend
from moto.cloudtrail.responses import CloudTrailResponse


def apply() -> None:
    """Filter the list; resolve the ARN."""
    CloudTrailResponse.describe_trails = _describe_trails  # type: ignore[method-assign]
    CloudTrailBackend.delete_trail = _delete_trail  # type: ignore[method-assign]


def _describe_trails(self: CloudTrailResponse) -> str:
    wanted = set(self._get_param("trailNameList") or [])
    trails = self.cloudtrail_backend.describe_trails(self._get_bool_param("includeShadowTrails", True))
    found = [t for t in trails if not wanted or wanted & {t.trail_name, t.arn}]
    return json.dumps({"trailList": [trail.description(include_region=True) for trail in found]})


def _delete_trail(self: CloudTrailBackend, name: str) -> None:
    del self.trails[self.get_trail(name).trail_name]
