"""What the functions really call is what their roles allow, and the other way round."""

from __future__ import annotations

import copy
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from custody.evidence.objects import ObjectVersion
from custody.recorder.notification import backfill_message
from scripts.access.world import World
from scripts.demo.pipeline import Landed, Pipeline
from scripts.state.policies import resources
from scripts.toolchain.toolchain import ToolError
from tests.e2e.conftest import Made
from tests.e2e.test_faults import await_dead_letter
from tests.local_aws.account import PATIENCE_SECONDS
from tests.support.minimality import Unused, Use, findings, read_unused, read_uses, use_of

pytestmark = pytest.mark.xdist_group("pipeline")

State = dict[str, Any]


@pytest.fixture(scope="module")
def state(pipeline: Pipeline) -> State:
    return pipeline.terraform.show_json()


@pytest.fixture(scope="module")
def uses(pipeline: Pipeline, landed: list[Landed], made: Made, state: State) -> set[Use]:
    """What functions and jobs did for the data, for a duplicate message and for a deleted object."""
    assert landed
    assert made
    gone = ObjectVersion(pipeline.deployment.buckets["raw-data"], "incoming/gone.csv", "no-such-version")
    body = backfill_message(gone, datetime.now(UTC))
    for message in (backfill_message(landed[0].version, datetime.now(UTC)), body):
        pipeline.client("sqs").send_message(
            QueueUrl=pipeline.deployment.queues["recorder"], MessageBody=message
        )
    assert await_dead_letter(pipeline) == body
    return uses_with_hourly_work(pipeline, World(state))


def uses_with_hourly_work(pipeline: Pipeline, world: World) -> set[Use]:
    """Everything recorded, once sealer and auditor have done their hourly work."""
    pipeline.deliver_trail()
    for rule in ("sealer-hourly", "auditor-schedule"):
        pipeline.aws.admin("events/tick", rule=f"custody-local-{rule}")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        uses = read_uses(pipeline.aws.home, world)
        swept = any(use.resource.endswith("/log/sweep") and use.action == "s3:PutObject" for use in uses)
        if swept and any(use.action == "events:PutEvents" for use in uses):
            return uses
        assert time.monotonic() < deadline, "the sealer did not sweep, or the auditor told nothing"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def unused() -> list[Unused]:
    return read_unused()


def test_every_call_is_recorded(uses: set[Use], landed: list[Landed], pipeline: Pipeline) -> None:
    provenance = f"arn:aws:s3:::{pipeline.deployment.buckets['provenance']}"
    written = {use.resource for use in uses if use.action == "s3:PutObject" and use.conditional}
    assert written >= {f"{provenance}/{entry.version.receipt_key}" for entry in landed}
    assert {use.action for use in uses} >= {"s3:GetObjectVersion", "s3:PutObject", "kms:Sign"}


def test_roles_allow_what_their_code_does_and_no_more(
    uses: set[Use], unused: list[Unused], state: State
) -> None:
    assert findings(uses, unused, World(state)) == []


def with_statements(state: State, role: str, policy: str, statements: list[dict[str, Any]]) -> World:
    """Return a world in which one inline policy of a role has these statements."""
    changed = copy.deepcopy(state)
    (found,) = [
        resource
        for resource in resources(changed)
        if resource.type == "aws_iam_role_policy"
        and (resource.values["role"], resource.values["name"]) == (role, policy)
    ]
    found.values["policy"] = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return World(changed)


def test_an_allowed_action_that_nothing_uses_is_found(
    uses: set[Use], unused: list[Unused], state: State
) -> None:
    wide = {"Sid": "Tag", "Effect": "Allow", "Action": "s3:PutObjectTagging", "Resource": "*"}
    world = with_statements(state, "custody-local-recorder", "write-log", [wide])
    assert (
        "recorder may s3:PutObjectTagging (write-log: Tag) and its code never did:"
        " take it away, or list it with a reason"
    ) in findings(uses, unused, world)


def test_a_use_that_nothing_allows_is_found(uses: set[Use], unused: list[Unused], state: State) -> None:
    recorder = "arn:aws:iam::123456789012:role/custody-local-recorder"
    taken = Use(recorder, "s3:DeleteObject", "arn:aws:s3:::custody-local-raw-data-123456789012/incoming/a")
    (found,) = findings(uses | {taken}, unused, World(state))
    assert found.startswith(
        f"the code of custody-local-recorder calls s3:DeleteObject on {taken.resource}, and may not: "
    )


def test_what_is_listed_in_vain_is_found(uses: set[Use], unused: list[Unused], state: State) -> None:
    more = [
        *unused,
        Unused("recorder", frozenset({"kms:Sign"}), "it does"),
        Unused("nobody", frozenset({"kms:Sign"}), "no such role"),
        Unused("recorder", frozenset({"s3:PutObjectTagging"}), "it may not"),
    ]
    assert set(findings(uses, more, World(state))) == {
        "unused.yaml lists kms:Sign of recorder, which is used or not allowed: take it off the list",
        "unused.yaml lists nobody, and there is no such role",
        "unused.yaml lists s3:PutObjectTagging of recorder, which is used or not allowed:"
        " take it off the list",
    }


def test_a_role_that_is_listed_whole_and_runs_is_found(uses: set[Use], state: State) -> None:
    whole = [entry for entry in read_unused() if entry.role != "recorder"]
    whole.append(Unused("recorder", frozenset({"all"}), "its code is not there yet"))
    assert findings(uses, whole, World(state)) == [
        "unused.yaml lists all of recorder, and its code runs: list what is unused"
    ]


def test_an_operation_without_its_action_is_refused(state: State) -> None:
    call = {"role": "r", "service": "s3", "operation": "PutObjectTagging", "params": {}}
    with pytest.raises(ToolError, match="does not say which action s3:PutObjectTagging needs"):
        use_of(call, World(state))
