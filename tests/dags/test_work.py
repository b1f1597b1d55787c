"""The work of the tasks: when one is done, waits, fails, or need not be tried again."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from custody.deployment import Deployment, Source
from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.evidence.objects import ObjectVersion
from custody_orchestration.work import Work, dag_ids, expected
from tests.unit.test_deployment import OUTPUTS

DEPLOYMENT = replace(
    Deployment(**OUTPUTS),
    tables={"orders": [], "days": ["orders", "sites"]},
    sources={"orders": Source("incoming/orders/", "csv")},
    expected_files={"incoming/orders/": 24, "incoming/": 48, "incoming/other/": 1},
    roles={"loader": "arn:loader"},
    jobs={"raw-to-processed-orders": "orders-job", "processed-to-analytics-days": "days-job"},
)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FIRST, SECOND = "a" * 64, "b" * 64


class Aws:
    """Buckets in moto; the runs of jobs, a gate that gives the answers of a list, what Athena has counted."""

    def __init__(self) -> None:
        self.s3: Any = boto3.client("s3", region_name="us-east-1")
        for bucket in ("processed", "analytics", "evidence"):
            self.s3.create_bucket(Bucket=bucket)
            self.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.answers: list[dict[str, Any]] = []
        self.invoked: list[dict[str, Any]] = []
        self.error = False
        self.arrived: dict[str, str] = {}
        self.asked: list[list[str]] = []
        self.tasks: list[dict[str, Any]] = []

    def client(self, service: str) -> Any:
        return self.s3 if service == "s3" else self

    def get_job_runs(self, **asked: Any) -> dict[str, Any]:
        return {"JobRuns": self.runs.get(asked["JobName"], [])}

    def invoke(self, **asked: Any) -> dict[str, Any]:
        self.invoked.append(json.loads(asked["Payload"]))
        answer = {"Payload": io.BytesIO(json.dumps(self.answers.pop(0)).encode())}
        return answer | ({"FunctionError": "Unhandled"} if self.error else {})

    def assume_role(self, **asked: Any) -> dict[str, Any]:
        assert (asked["RoleArn"], asked["ExternalId"]) == ("arn:loader", "w-loader")
        return {"Credentials": {"AccessKeyId": "loader", "SecretAccessKey": "s", "SessionToken": "t"}}

    def run_task(self, **_: Any) -> dict[str, Any]:
        return {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}

    def describe_tasks(self, **asked: Any) -> dict[str, Any]:
        assert asked == {"cluster": "w-loader", "tasks": ["arn:task"]}
        return {"tasks": self.tasks}

    def start_query_execution(self, **asked: Any) -> dict[str, Any]:
        assert asked["QueryString"].count("?") == len(asked["ExecutionParameters"])
        self.asked.append(asked["ExecutionParameters"])
        return {"QueryExecutionId": "q-1"}

    def get_query_execution(self, **_: Any) -> dict[str, Any]:
        return {"QueryExecution": {"Status": {"State": "SUCCEEDED"}}}

    def get_paginator(self, operation: str) -> Aws:
        assert operation == "get_query_results"
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        columns = [{"Name": "files", "Type": "bigint"}]
        cells = [["files"], [self.arrived.get(self.asked[-1][-1], "0")]]
        rows = [{"Data": [{"VarCharValue": cell} for cell in row]} for row in cells]
        return [{"ResultSet": {"ResultSetMetadata": {"ColumnInfo": columns}, "Rows": rows}}]

    def ended(self, job: str, state: str, ended_at: datetime = NOON) -> None:
        run = {"Id": "jr_1", "JobRunState": state, "StartedOn": ended_at - timedelta(minutes=2)}
        self.runs[job] = [run | ({} if state == "RUNNING" else {"CompletedOn": ended_at})]

    def document(
        self, bucket: str, table: str, version: int, id_: str, *, is_recorded: bool, **content: Any
    ) -> None:
        key = f"tables/{table}/_lineage/{version:020d}-{id_}.json"
        put = self.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(content).encode())
        if is_recorded:
            receipt = ObjectVersion(bucket, key, put["VersionId"]).receipt_key
            self.s3.put_object(Bucket="evidence", Key=receipt, Body=b"{}")

    def manifests(self, *numbers: int) -> None:
        for number in numbers:
            key = f"manifests/orders/{number:010d}.json"
            self.s3.put_object(Bucket="processed", Key=key, Body=str(number).encode())


@pytest.fixture
def aws() -> Iterator[Aws]:
    with mock_aws():
        yield Aws()


@pytest.fixture
def work(aws: Aws, tmp_path: Path) -> Work:
    return Work(DEPLOYMENT, tmp_path / "deployment.json", aws.client)


def looked(**changes: Any) -> dict[str, Any]:
    answer = {"manifest": None, "entries": 0, "bytes": 0, "withheld": 0, "pending": 0, "waiting": None}
    return {
        "tables": {"orders": answer | {"handed_over": None, "job_run_id": None, "state": "idle"} | changes}
    }


def test_a_dag_is_named_after_its_data_set_and_no_other() -> None:
    names = {"my shop": ["orders"], "caf\u00e9": ["orders"]}
    assert dag_ids(replace(DEPLOYMENT, datasets=names)) == {"my shop": "w-my-shop", "caf\u00e9": "w-caf-"}
    for other in ("my-shop", "my\u20acshop"):
        with pytest.raises(UsageError, match="w-my-shop"):
            dag_ids(replace(DEPLOYMENT, datasets=names | {other: ["orders"]}))
    assert dag_ids(replace(DEPLOYMENT, datasets={}, tables={})) == {}
    with pytest.raises(UsageError, match="does not say which data sets"):
        dag_ids(replace(DEPLOYMENT, datasets={}))


def test_what_is_expected_of_a_table_is_what_is_declared_for_its_prefix() -> None:
    assert expected(DEPLOYMENT, "orders") == {"incoming/orders/": 24, "incoming/": 48}


def test_a_run_has_the_manifests_that_are_handed_out_and_not_done(work: Work, aws: Aws) -> None:
    aws.manifests(1, 2, 3, 4, 5)
    aws.s3.put_object(Bucket="processed", Key="manifests/orders/_seen/0000000003.bin", Body=b"")
    uri = "s3://processed/manifests/orders/{:010d}.json?versionId=v"
    three = hashlib.sha256(b"3").hexdigest()
    aws.document("processed", "orders", 1, three, is_recorded=True)  # out of turn
    # a job runs with the second, and nothing is new
    aws.answers = [looked(waiting=uri.format(2), entries=7, state="running")]
    found = work.look("orders")
    digests = {number: hashlib.sha256(str(number).encode()).hexdigest() for number in (2, 4, 5)}
    assert found == {"entries": 7, "bytes": 0, "withheld": 0, "pending": 0, "manifests": [*digests.values()]}
    aws.answers = [looked()]
    assert work.look("orders")["manifests"] == []
    assert aws.invoked == [{"table": "orders"}] * 2


def test_a_gate_that_fails_may_do_better_next_time(work: Work, aws: Aws) -> None:
    aws.error, aws.answers = True, [{"errorMessage": "No time left."}]
    with pytest.raises(CannotCheckError, match=r"The gate failed: No time left\."):
        work.look("orders")
    aws.error, aws.answers = False, [{"tables": {}}]
    with pytest.raises(CannotCheckError, match="nothing about orders"):
        work.look("orders")


def test_silver_is_done_when_its_manifests_have_recorded_documents(work: Work, aws: Aws) -> None:
    aws.ended("orders-job", "RUNNING")
    assert work.silver("orders", [FIRST, SECOND], LONG_AGO) is None
    assert aws.invoked == []

    aws.ended("orders-job", "SUCCEEDED")
    aws.document("processed", "orders", 3, FIRST, is_recorded=True)
    aws.answers = [looked(state="started")]
    assert work.silver("orders", [FIRST, SECOND], LONG_AGO) is None
    assert aws.invoked == [{"table": "orders"}]  # so that the next manifest gets its run

    aws.document("processed", "orders", 4, SECOND, is_recorded=False)
    assert work.silver("orders", [FIRST, SECOND], LONG_AGO) is None
    aws.document("processed", "orders", 4, SECOND, is_recorded=True)
    assert work.silver("orders", [FIRST, SECOND], LONG_AGO) == 4


def test_a_table_that_has_no_rows_yet_is_done_without_a_version(work: Work) -> None:
    assert work.silver("orders", [], LONG_AGO) == -1


def test_a_job_that_failed_in_this_try_fails_the_task(work: Work, aws: Aws) -> None:
    aws.ended("orders-job", "FAILED")
    with pytest.raises(CannotCheckError, match=r"orders-job ended as FAILED: it gave no reason \(run jr_1\)"):
        work.silver("orders", [FIRST], NOON - timedelta(minutes=1))
    aws.answers = [looked(state="started")]
    assert work.silver("orders", [FIRST], NOON + timedelta(minutes=1)) is None  # that was an earlier try's


def test_gold_is_done_when_it_was_made_from_what_silver_has(work: Work, aws: Aws) -> None:
    def made(version: int, *, is_recorded: bool, **inputs: int) -> None:
        items = [
            {"table": f"s3://processed/tables/{name}", "delta_version": of} for name, of in inputs.items()
        ]
        aws.document("analytics", "days", version, FIRST, is_recorded=is_recorded, inputs=items)

    wanted = {"orders": 4, "sites": None}
    for inputs in ({}, {"orders": 3, "sites": 9}):
        if inputs:
            made(1, is_recorded=True, **inputs)
        aws.answers = [{"tables": {}, "gold": {"days": {"job_run_id": "jr_1", "state": "started"}}}]
        assert work.gold("days", wanted, LONG_AGO) is None
    assert aws.invoked == [{"table": "days"}] * 2
    made(2, is_recorded=False, orders=5, sites=0)
    assert work.gold("days", wanted, LONG_AGO) is None
    made(2, is_recorded=True, orders=5, sites=0)
    assert work.gold("days", wanted, LONG_AGO) == 2
    aws.ended("days-job", "TIMEOUT")
    with pytest.raises(CannotCheckError, match="days-job ended as TIMEOUT"):
        work.gold("days", wanted, LONG_AGO)


def test_quality_counts_the_rows_of_the_run_and_fails_for_what_is_withheld(work: Work, aws: Aws) -> None:
    for version, id_, rows in ((1, FIRST, 10), (2, SECOND, 5), (3, "c" * 64, 99)):
        counts = {"rows": rows, "valid": rows - 1, "rejected": 1, "duplicates": 0}
        aws.document("processed", "orders", version, id_, is_recorded=True, counts=counts)
    aws.answers = [looked()]
    assert work.check_quality({"orders": [FIRST, SECOND]}) == {
        "orders": {"rows": 15, "valid": 13, "rejected": 2, "duplicates": 0}
    }
    for counts in (None, [], {"rows": "1\n"}, {"rows": -1}, {"rows": True}):
        aws.document("processed", "orders", 4, "d" * 64, is_recorded=True, counts=counts)
        with pytest.raises(EvidenceError, match=r"json's (counts is not|counts's rows is not)"):
            work.check_quality({"orders": ["d" * 64]})
    aws.answers = [looked(withheld=2)]
    with pytest.raises(EvidenceError, match="withheld: 2 of orders"):
        work.check_quality({"orders": []})


@pytest.mark.parametrize(
    ("status", "error"), [(1, EvidenceError), (2, UsageError), (3, CannotCheckError), (130, CannotCheckError)]
)
def test_an_exit_status_says_whether_another_try_may_help(
    work: Work, aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, error: type[Exception]
) -> None:
    program = tmp_path / "custody"
    program.write_text(f'#!/bin/sh\necho "$@"; printf "not \\033[2Jso" >&2; exit {status}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    aws.document("processed", "orders", 1, FIRST, is_recorded=True)
    with pytest.raises(error) as caught:
        work.verify(["orders", "days"], 0.5)  # days has no version yet, and is left out
    said = str(caught.value)
    assert f"custody verify ended with {status}: verify s3://processed/tables/orders/ --sample 0.5" in said
    assert "\x1b" not in said


def test_what_the_warehouse_says_of_loads_is_told_as_the_loader(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "custody"
    program.write_text(f'#!/bin/sh\necho "$AWS_ACCESS_KEY_ID $@" > {tmp_path}/asked\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    work.tell_history(NOON)
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("loader warehouse tell --until 2026-03-02T09:00:00Z --deployment ")


@pytest.fixture
def with_loader(tmp_path: Path) -> Iterator[Work]:
    """The work of a deployment whose loader is a task, of which moto keeps the state."""
    with mock_aws():
        ec2, ecs = (boto3.client(name, region_name="us-east-1") for name in ("ec2", "ecs"))
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
        ecs.create_cluster(clusterName="w-loader")
        ecs.register_task_definition(
            family="w-loader",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="1024",
            memory="2048",
            containerDefinitions=[{"name": "w-loader", "image": "loader", "memory": 2048}],
        )
        network = {"security_group_ids": [group], "subnet_ids": [subnet]}
        yield Work(replace(DEPLOYMENT, loader_network=network), tmp_path / "deployment.json", lambda _: ecs)


def test_a_loader_that_is_a_task_is_started_with_its_table_and_waited_for(with_loader: Work) -> None:
    ecs = with_loader.client("ecs")
    arn = with_loader.start_loader("days")
    (task,) = ecs.describe_tasks(cluster="w-loader", tasks=[arn])["tasks"]
    assert (task["launchType"], task["overrides"]["containerOverrides"]) == (
        "FARGATE",
        [{"name": "w-loader", "command": ["days"]}],
    )


LOADER = {"name": "w-loader"}


@pytest.mark.parametrize(
    ("tasks", "problem"),
    [
        ([{"lastStatus": "RUNNING", "containers": [LOADER]}], "no end"),
        ([{"lastStatus": "STOPPED", "containers": [LOADER | {"exitCode": 0}]}], ""),
        (
            [
                {
                    "lastStatus": "STOPPED",
                    "containers": [{"name": "guard", "exitCode": 137}, LOADER | {"exitCode": 0}],
                }
            ],
            "",
        ),
        (
            [{"lastStatus": "STOPPED", "containers": [LOADER | {"exitCode": 3}]}],
            "arn:task ended with 3: None",
        ),
        (
            [{"lastStatus": "STOPPED", "containers": [LOADER], "stoppedReason": "CannotPullContainerError"}],
            "arn:task ended with None: CannotPullContainerError",
        ),
        ([{"lastStatus": "STOPPED", "containers": []}], "ended with None"),
    ],
)
def test_a_loader_has_ended_or_failed(
    work: Work, aws: Aws, tasks: list[dict[str, Any]], problem: str
) -> None:
    aws.tasks = tasks
    if problem in {"", "no end"}:
        assert work.has_ended("arn:task") is (problem == "")
        return
    with pytest.raises(EvidenceError, match=problem):
        work.has_ended("arn:task")
    aws.tasks = []
    with pytest.raises(CannotCheckError, match="does not know arn:task"):
        work.has_ended("arn:task")


def test_a_loader_that_cannot_be_started_may_be_next_time(with_loader: Work, aws: Aws) -> None:
    with pytest.raises(CannotCheckError, match="AWS could not be asked"):
        replace(with_loader, deployment=replace(with_loader.deployment, workgroup="x")).start_loader("days")
    with pytest.raises(CannotCheckError, match="Capacity is unavailable"):
        replace(with_loader, client=aws.client).start_loader("days")


def test_files_that_came_in_time_are_waited_for_and_not_longer(work: Work, aws: Aws) -> None:
    aws.arrived = {"'incoming/'": "2"}
    assert work.missing("orders", NOON, NOON) == ["incoming/orders/"]
    assert [list(map(str, parameters[1:3])) for parameters in aws.asked] == [
        [
            "CAST('2026-03-01 12:00:00.000' AS TIMESTAMP)",
            "CAST('2026-03-03 12:00:00.000' AS TIMESTAMP)",
        ],
        [
            "CAST('2026-02-28 12:00:00.000' AS TIMESTAMP)",
            "CAST('2026-03-04 12:00:00.000' AS TIMESTAMP)",
        ],
    ]
    with pytest.raises(EvidenceError, match="No file has come below incoming/orders/ from 2026-03-01"):
        work.missing("orders", NOON, NOON + timedelta(days=1, hours=1))
    aws.arrived["'incoming/orders/'"] = "1"
    assert work.missing("orders", NOON, NOON + timedelta(days=300)) == []  # a backfill does not wait
