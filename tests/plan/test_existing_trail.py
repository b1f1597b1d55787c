"""With a trail that is there, none is made, and what is read of it is this account's alone."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.state.policies import resources, roles, statements
from tests.plan.document import PlanDocument
from tests.support.existing_trail import BUCKET, FOLDER, plan_with_organizations_trail

pytestmark = pytest.mark.xdist_group("plan")


@pytest.fixture(scope="module")
def existing() -> dict[str, Any]:
    return plan_with_organizations_trail()


def test_neither_trail_nor_bucket_nor_key_is_made(existing: dict[str, Any], plan: PlanDocument) -> None:
    made = {resource.type for resource in resources(existing)}
    assert "aws_cloudtrail" not in made
    names = {r.values["bucket"] for r in resources(existing) if r.type == "aws_s3_bucket"}
    own = {resource["bucket"] for resource in plan.resources("aws_s3_bucket").values()}
    assert own - names == {"custody-local-cloudtrail-log-123456789012"}
    assert names < own


def test_only_this_accounts_files_are_read(existing: dict[str, Any]) -> None:
    readers, others = set[str](), []
    for name, role in roles(existing).items():
        for policy in role.policies:
            for each in statements(policy.document):
                named = [each["Resource"]] if isinstance(each["Resource"], str) else each["Resource"]
                for arn in named:
                    if arn.startswith(f"arn:aws:s3:::{BUCKET}/"):
                        readers.add(name.removeprefix("custody-local-"))
                        if not arn.startswith(f"arn:aws:s3:::{BUCKET}/{FOLDER}"):
                            others.append(f"{name}: {arn}")
    assert others == []
    assert readers == {"auditor", "people-auditor", "people-break-glass", "sealer"}
