"""The access matrix holds on the policies as they were applied; where they are weaker, it says which row."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from scripts.access.__main__ import main
from scripts.access.aws_simulator import left_out, parameters
from scripts.access.evaluate import Outcome, evaluate, request_of
from scripts.access.matrix import Matrix, Row, Topic, read_matrix
from scripts.access.planned import planned_parts, planned_workflows
from scripts.access.world import World
from scripts.demo.pipeline import Pipeline
from scripts.state import applied
from scripts.state.applied import tree_key
from scripts.state.policies import resources
from scripts.toolchain.toolchain import ToolError

pytestmark = pytest.mark.xdist_group("pipeline")

State = dict[str, Any]
Statement = dict[str, Any]


_DATA_TYPES = {
    "aws_athena_workgroup": "workgroup",
    "aws_cloudtrail": "trail",
    "aws_cloudwatch_log_group": "log-group",
    "aws_glue_catalog_database": "database",
    "aws_kms_key": "key",
    "aws_s3_bucket": "bucket",
    "aws_secretsmanager_secret": "secret",
    "aws_sns_topic": "topic",
    "aws_sqs_queue": "queue",
}


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return read_matrix()


@pytest.fixture(scope="module")
def state(pipeline: Pipeline) -> State:
    return pipeline.terraform.show_json()


@pytest.fixture(scope="module")
def beside() -> list[State]:
    return [planned_workflows(print), planned_parts(print)]


@pytest.fixture(scope="module")
def outcomes(matrix: Matrix, state: State, beside: list[State]) -> list[Outcome]:
    return evaluate(matrix, World(state, *beside))


def test_every_row_holds(outcomes: list[Outcome]) -> None:
    assert [str(outcome) for outcome in outcomes if not outcome.holds] == []


def test_no_row_is_inconclusive(outcomes: list[Outcome]) -> None:
    assert [str(outcome) for outcome in outcomes if outcome.answer.decision is None] == []


def data_resources(world: World, documents: list[State]) -> dict[str, str]:
    """Resources that contain or protect data or evidence: ARNs by name."""
    found: dict[str, str] = {}
    by_address = {one.address: one for document in reversed(documents) for one in resources(document)}
    for resource in by_address.values():
        if resource.type in _DATA_TYPES and resource.values.get("arn"):
            arn = str(resource.values["arn"]).removesuffix(":*")
            found.setdefault(f"{_DATA_TYPES[resource.type]} {world.short(arn)}", arn)
    return found


def unasked(matrix: Matrix, state: State, beside: list[State]) -> set[str]:
    """Roles and resources of a state that the matrix does not cover.

    Roles without an allowed and a denied row, or without both for their trust policy; resources without a
    row; buckets without a row that denies requests without TLS and one that denies the administrator.
    """
    world = World(state, *beside)
    holders = data_resources(world, [state, *beside])
    asked = {(world.principal(row.who).context.get("aws:PrincipalArn"), row.effect) for row in matrix.rows}
    about = {world.arn(row.resource) for row in matrix.rows}
    trust = {(world.arn(row.resource), row.effect) for row in matrix.rows if row.action.startswith("sts:")}
    roles = {
        name
        for name, role in world.roles.items()
        if not {(role.arn, "allow"), (role.arn, "deny")} <= asked & trust
    }
    data = {
        name
        for name, arn in holders.items()
        if not any(one == arn or one.startswith((f"{arn}/", f"{arn}:log-stream:")) for one in about)
    }
    kept_out = {
        (world.arn(row.resource).partition("/")[0], outsider)
        for row in matrix.rows
        for outsider in (row.who, *row.named)
        if row.effect == "deny"
    }
    open_ones = {
        f"{name}, {outsider}"
        for name, arn in holders.items()
        for outsider in ("administrator", "without TLS")
        if name.startswith("bucket ") and (arn, outsider) not in kept_out
    }
    return roles | data | open_ones


def test_every_role_and_every_resource_is_asked_about(
    matrix: Matrix, state: State, beside: list[State]
) -> None:
    assert unasked(matrix, state, beside) == set()


def test_a_role_or_a_bucket_without_rows_is_found(matrix: Matrix, state: State, beside: list[State]) -> None:
    grown = copy.deepcopy(state)
    for kind in ("aws_iam_role", "aws_s3_bucket"):
        module, one = next(
            (module, resource)
            for module in grown["values"]["root_module"]["child_modules"]
            for resource in module.get("resources", ())
            if resource["type"] == kind
        )
        new = json.loads(
            json.dumps(one).replace(one["values"].get("name", one["values"].get("bucket")), "new")
        )
        module["resources"].append({**new, "address": f"{kind}.new"})
    assert unasked(matrix, grown, beside) == {
        "new",
        "bucket new",
        "bucket new, administrator",
        "bucket new, without TLS",
    }


def edit(
    state: State, address: str, change: Callable[[list[Statement]], None], argument: str = "policy"
) -> None:
    """Change the statements of one policy in a state."""
    (found,) = [resource for resource in resources(state) if resource.address == address]
    document = json.loads(found.values[argument])
    change(document["Statement"])
    found.values[argument] = json.dumps(document)


def without(*sids: str) -> Callable[[list[Statement]], None]:
    """Return a change that removes statements; they must exist."""

    def change(statements: list[Statement]) -> None:
        assert {statement["Sid"] for statement in statements} >= set(sids)
        statements[:] = [statement for statement in statements if statement["Sid"] not in sids]

    return change


def one_policy_of(state: State, role: str) -> str:
    return next(
        resource.address
        for resource in resources(state)
        if resource.type == "aws_iam_role_policy" and resource.values["role"] == role
    )


EVERYTHING = {"Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*"}


def everything_for_etl(state: State) -> None:
    edit(state, one_policy_of(state, "custody-local-etl"), lambda found: found.append(EVERYTHING))


def etl_without_its_boundary(state: State) -> None:
    everything_for_etl(state)
    (role,) = [
        resource
        for resource in resources(state)
        if resource.type == "aws_iam_role" and resource.values["name"] == "custody-local-etl"
    ]
    role.values["permissions_boundary"] = None


def etl_reads_receipts(state: State) -> None:
    everything_for_etl(state)
    etl = "arn:aws:iam::123456789012:role/custody-local-etl"

    def name_it(statements: list[Statement]) -> None:
        for statement in statements:
            for values in statement.get("Condition", {}).values():
                if statement["Sid"].startswith("NobodyElse") and "aws:PrincipalArn" in values:
                    named = values["aws:PrincipalArn"]
                    values["aws:PrincipalArn"] = [*([named] if isinstance(named, str) else named), etl]

    edit(state, "module.provenance.aws_s3_bucket_policy.this", name_it)


def clear_text(state: State) -> None:
    edit(state, 'module.lake["raw-data"].aws_s3_bucket_policy.this', without("NobodyWithoutTls"))


def deletable_evidence(state: State) -> None:
    edit(state, "module.provenance.aws_s3_bucket_policy.this", without("NobodyDeletesEvidence"))


def the_account_signs(state: State) -> None:
    root = {"AWS": "arn:aws:iam::123456789012:root"}
    grant = {"Sid": "All", "Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
    edit(state, 'module.signing_key["a"].aws_kms_key.this', lambda found: found.append(grant))


def unpinned_trust(state: State) -> None:
    def unpin(statements: list[Statement]) -> None:
        for statement in statements:
            del statement["Condition"]

    edit(state, "module.recorder_role.aws_iam_role.this", unpin, "assume_role_policy")


def anybody_notifies(state: State) -> None:
    def unpin(statements: list[Statement]) -> None:
        (notify,) = [statement for statement in statements if statement["Sid"] == "BucketsNotify"]
        del notify["Condition"]

    edit(state, "module.recorder.aws_sqs_queue.this[0]", unpin)


RECEIPT = "provenance/provenance/raw-data/incoming/a.csv/v1.json"
WEAKENED: dict[Callable[[State], None], list[str]] = {
    etl_reads_receipts: [f"deny role/etl s3:GetObject {RECEIPT}: but it is allowed, by"],
    etl_without_its_boundary: [
        "deny role/etl iam:PutRolePolicy role/etl: but it is allowed, by custody-local-etl",
        "deny role/etl lambda:InvokeFunction function/recorder: but it is allowed, by custody-local-etl",
    ],
    clear_text: [
        "deny people/producer s3:PutObject raw-data/incoming/a.csv (without TLS): but it is allowed"
    ],
    deletable_evidence: [
        f"deny {who} s3:DeleteObjectVersion {RECEIPT} (s3:versionid = v1): but it is allowed"
        for who in ("operator",)
    ],
    the_account_signs: [
        "deny administrator kms:Sign key/signing: but it is allowed, by AdministratorAccess: Everything;"
        " policy of signing-a: All",
        "deny operator kms:Sign key/signing: but it is allowed",
        "deny administrator kms:CreateGrant key/signing: but it is allowed",
    ],
    unpinned_trust: [
        "deny service/lambda sts:AssumeRole role/recorder: but it is allowed, by policy of role/recorder"
    ],
    anybody_notifies: [
        "deny service/s3 sqs:SendMessage queue/recorder (for a bucket elsewhere): but it is allowed,"
        " by policy of recorder: BucketsNotify"
    ],
}


@pytest.mark.parametrize("weaken", WEAKENED, ids=lambda weaken: weaken.__name__)
def test_a_weaker_policy_turns_its_rows_red(
    matrix: Matrix, state: State, beside: list[State], weaken: Callable[[State], None]
) -> None:
    weaker = copy.deepcopy(state)
    weaken(weaker)
    red = [str(outcome) for outcome in evaluate(matrix, World(weaker, *beside)) if not outcome.holds]
    for expected in WEAKENED[weaken]:
        assert any(said.startswith(expected) for said in red), (expected, red)


def test_what_is_planned_beside_is_asked_but_not_in_place_of_what_is_there(
    matrix: Matrix, state: State, beside: list[State]
) -> None:
    workflows, parts = copy.deepcopy(beside)
    edit(parts, "module.warehouse_secret[0].aws_secretsmanager_secret.this", without("NobodyElseReads"))
    edit(parts, "module.provenance.aws_s3_bucket_policy.this", without("NobodyDeletesEvidence"))
    asked = [
        row
        for row in matrix.rows
        if row.action in {"secretsmanager:GetSecretValue", "s3:DeleteObjectVersion"}
    ]
    outcomes = evaluate(Matrix((Topic("", "", tuple(asked)),), {}), World(state, workflows, parts))
    assert {str(outcome.row) for outcome in outcomes if not outcome.holds} == {
        "deny administrator secretsmanager:GetSecretValue secret/warehouse",
        "deny operator secretsmanager:GetSecretValue secret/warehouse",
    }


@pytest.mark.usefixtures("beside")
def test_make_access_shows_the_grid_and_names_what_does_not_hold(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for planned in applied.APPLIED.glob("planned-*.json"):
        shutil.copy(planned, tmp_path)
    monkeypatch.setattr(applied, "APPLIED", tmp_path)
    (tmp_path / f"{tree_key()}.json").write_text(json.dumps(state))
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines()) <= 160
    assert re.search(r"^role/recorder  +RLrw ", shown, re.MULTILINE)
    assert re.search(r"\d+ rows, \d+ of them denials: \d+ hold, 0 do not, 0 inconclusive", shown)

    weaker = copy.deepcopy(state)
    the_account_signs(weaker)
    (tmp_path / f"{tree_key()}.json").write_text(json.dumps(weaker))
    assert main([]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "! deny administrator kms:Sign key/signing: but it is allowed, by" in shown
    assert "policy of signing-a: All" in shown


@pytest.mark.parametrize(("env", "message"), [("nowhere", "There is no environment"), ("dev", "fill it in")])
def test_an_environment_that_cannot_be_asked(
    env: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--env", env]) == 2
    assert message in capsys.readouterr().err


def test_the_boundary_caps_a_policy_that_is_too_wide(
    matrix: Matrix, state: State, beside: list[State]
) -> None:
    weaker = copy.deepcopy(state)
    everything_for_etl(weaker)
    red = [str(outcome) for outcome in evaluate(matrix, World(weaker, *beside)) if not outcome.holds]
    assert [said for said in red if " iam:" in said or " lambda:" in said or " sts:" in said] == []


def test_a_role_whose_boundary_is_not_in_the_state_is_not_judged(
    matrix: Matrix, state: State, beside: list[State]
) -> None:
    elsewhere = copy.deepcopy(state)
    for resource in resources(elsewhere):
        if resource.type == "aws_iam_role":
            resource.values["permissions_boundary"] = "arn:aws:iam::123456789012:policy/elsewhere"
    with pytest.raises(ToolError, match="The state does not have arn:aws:iam::123456789012:policy/elsewhere"):
        evaluate(matrix, World(elsewhere, *beside))


@pytest.mark.parametrize(("listed", "holds"), [({}, False), ({"s3:object-lock-mode": "not of a read"}, True)])
def test_a_context_key_that_is_dropped_fails_unless_it_is_listed(
    state: State, listed: dict[str, str], holds: bool
) -> None:
    row = Row(
        effect="deny",
        who="outsider",
        action="s3:GetObject",
        resource="raw-data/incoming/a.csv",
        named=(),
        context={"s3:object-lock-mode": "GOVERNANCE"},
        why="nothing is shared",
    )
    (outcome,) = evaluate(Matrix((Topic("", "", (row,)),), listed), World(state))
    assert outcome.holds is holds
    assert ("inconclusive, context left out: s3:object-lock-mode" in str(outcome)) is not holds


def test_most_rows_can_be_put_to_iams_own_simulator(
    matrix: Matrix, state: State, beside: list[State]
) -> None:
    iam = boto3.client("iam", region_name="us-east-1", aws_access_key_id="n", aws_secret_access_key="n")
    shape = iam.meta.service_model.operation_model("SimulateCustomPolicy").input_shape
    world = World(state, *beside)
    requests = [request_of(row, world) for row in matrix.rows]
    asked = [request for request in requests if not left_out(request)]
    assert len(asked) > len(requests) / 2
    for request in asked:
        report = ParamValidator().validate(parameters([request]), shape)
        assert not report.has_errors(), report.generate_report()
