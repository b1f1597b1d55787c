"""A trail that somebody has, in a plan that would read it: what it does not log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from custody.trail.selectors import unlogged_management_writes, unlogged_objects
from custody.trail.settings import shortcomings

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient


def existing_trail(plan: dict[str, Any]) -> str:
    """The ARN of the trail that a plan would read; empty, if it makes one of its own."""
    outputs = _outputs(plan)
    arn: str = outputs["trail_arn"] if outputs.get("existing_trail_folder") else ""
    return arn


def unlogged_by(cloudtrail: CloudTrailClient, plan: dict[str, Any]) -> Iterator[str]:
    """A sentence for each thing that this trail does not do, or one that AWS does not say.

    plan: one with an ``existing_trail``.
    """
    outputs, arn = _outputs(plan), existing_trail(plan)
    try:
        trail = cloudtrail.get_trail(Name=arn)["Trail"]
        is_logging = cloudtrail.get_trail_status(Name=arn)["IsLogging"]
        selectors = cloudtrail.get_event_selectors(TrailName=arn)
    except (BotoCoreError, ClientError) as error:
        yield f"What the trail {arn} logs is not known here: {error}"
        return
    if not is_logging:
        yield "The trail is not logging."
    bucket, folder = outputs["buckets"]["cloudtrail-log"], outputs["existing_trail_folder"]
    yield from (what for what, _ in shortcomings(trail, bucket, folder))
    wanted = json.loads(outputs["existing_trail_owner"][arn]["event_selectors"])
    fields = [{field["Field"]: field for field in one["FieldSelectors"]} for one in wanted]
    beginnings = sorted(
        {
            beginning
            for each in fields
            if each.get("resources.type", {}).get("Equals") == ["AWS::S3::Object"]
            for beginning in each["resources.ARN"]["StartsWith"]
        }
    )
    readers = [each["userIdentity.arn"]["NotStartsWith"] for each in fields if "userIdentity.arn" in each]
    may_be_left_out = frozenset(reader for some in readers for reader in some)
    for what in unlogged_objects(selectors, beginnings, may_be_left_out):
        yield f"The trail does not log {what}."
    if outputs["management_trail_arn"] == arn and (what := unlogged_management_writes(selectors)):
        yield f"The trail does not log {what}."


def _outputs(plan: dict[str, Any]) -> dict[str, Any]:
    outputs = plan.get("planned_values", {}).get("outputs", {})
    return {name: output.get("value") for name, output in outputs.items()}
