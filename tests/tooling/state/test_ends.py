"""A plan does not end evidence by accident."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.state.ends import ends
from scripts.terraform import refuse_ends
from scripts.toolchain.toolchain import ToolError


def plan(address: str, *actions: str) -> dict[str, Any]:
    kind = address.split(".")[-2]
    return {"resource_changes": [{"address": address, "type": kind, "change": {"actions": list(actions)}}]}


@pytest.mark.parametrize(
    "address",
    [
        "module.provenance.aws_s3_bucket.this",
        'module.lake["raw-data"].aws_s3_bucket.this',
        'module.signing_key["a"].aws_kms_key.this',
        "module.trail.aws_cloudtrail.this[0]",
        "module.cloudtrail_log[0].aws_s3_bucket.this",
        "module.trail_key[0].aws_kms_key.this",
    ],
)
@pytest.mark.parametrize("actions", [("delete",), ("delete", "create"), ("create", "delete"), ("forget",)])
def test_what_evidence_rests_on_is_not_planned_away(address: str, actions: tuple[str, ...]) -> None:
    with pytest.raises(ToolError, match=r"would be destroyed.*\n.*docs/leaving\.md") as refused:
        refuse_ends(plan(address, *actions))
    assert address in str(refused.value)


@pytest.mark.parametrize("actions", [("update",), ("no-op",)])
def test_a_trail_that_does_not_log_any_more_is_not_planned(actions: tuple[str, ...]) -> None:
    """One that has never logged is a finding of the scan, which plans it."""
    stopped = plan("module.trail.aws_cloudtrail.this", *actions)
    change = stopped["resource_changes"][0]["change"]
    change |= {"before": None, "after": {"enable_logging": False}}
    assert ends(stopped) == []
    change["before"] = {"enable_logging": True}
    with pytest.raises(ToolError, match=r"module\.trail\.aws_cloudtrail\.this would be .*stopped"):
        refuse_ends(stopped)

    stopped["resource_changes"][0]["change"]["after"] = {"enable_logging": True}
    assert ends(stopped) == []


@pytest.mark.parametrize("actions", [("no-op",), ("update",), ("delete",)])
def test_what_evidence_rests_on_is_not_moved_away(actions: tuple[str, ...]) -> None:
    """The plan after it would destroy something of which nobody knows what it is."""
    moved = plan("module.attic.aws_s3_bucket.this", *actions)
    moved["resource_changes"][0]["previous_address"] = "module.provenance.aws_s3_bucket.this"
    assert ends(moved) == ["module.attic.aws_s3_bucket.this"]


def test_it_may_be_moved_within_what_is_protected() -> None:
    moved = plan('module.signing_key["b"].aws_kms_key.this', "no-op")
    moved["resource_changes"][0]["previous_address"] = 'module.signing_key["a"].aws_kms_key.this'
    assert ends(moved) == []


@pytest.mark.parametrize(
    ("address", "actions"),
    [
        ("module.provenance.aws_s3_bucket.this", ("update",)),
        ("module.provenance.aws_s3_bucket_policy.this", ("delete",)),
        ("module.network_key[0].aws_kms_key.this", ("delete",)),
        ("module.stream_key[0].aws_kms_key.this", ("delete",)),
    ],
)
def test_parts_can_be_switched_off(address: str, actions: tuple[str, ...]) -> None:
    assert ends(plan(address, *actions)) == []
