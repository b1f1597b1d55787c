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
        "module.trail.aws_cloudtrail.this",
    ],
)
@pytest.mark.parametrize("actions", [("delete",), ("delete", "create"), ("create", "delete")])
def test_what_evidence_rests_on_is_not_planned_away(address: str, actions: tuple[str, ...]) -> None:
    with pytest.raises(ToolError, match=r"would be destroyed.*\n.*docs/leaving\.md") as refused:
        refuse_ends(plan(address, *actions))
    assert address in str(refused.value)


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
