from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import deltalake
import pytest
from botocore.exceptions import ClientError

from scripts.local_aws import LocalAws
from scripts.local_aws.glue.process import Ending, Order, RunProcess
from tests.local_aws.account import ACCOUNT, Account, eventually
from tests.local_aws.test_launch import is_running
from tests.local_aws.test_trail import Trail

WHEEL = "thing-1.0-py3-none-any.whl"
WAIT = """
import os, time
print("waiting", os.getpid())
time.sleep(600)
"""


@pytest.fixture
def trail(aws: Account, server: LocalAws) -> Trail:
    return Trail(aws, server)


def messages(account: Account, kind: str, run_id: str, prefix: str = "/aws-glue/jobs") -> list[str]:
    """What a run's log stream holds, in the group of this kind."""
    events = account.client("logs").get_log_events(
        logGroupName=f"{prefix}/{kind}", logStreamName=run_id, startFromHead=True
    )["events"]
    return [event["message"] for event in events]


def test_a_run_has_what_glue_gives_it(aws: Account, server: LocalAws) -> None:
    script = """
import json, os, sys
import boto3
print(json.dumps({"argv": sys.argv[1:], "who": boto3.client("sts").get_caller_identity()["Arn"]}))
print("a step", file=sys.stderr)
"""
    name = aws.job(script, DefaultArguments={"--a": "default", "--b": "default"})
    run = aws.run_job(name, b="given", c="given")
    assert run["JobRunState"] == "SUCCEEDED", run
    assert (run["JobName"], run["Attempt"], run["MaxCapacity"]) == (name, 0, 2.0)
    assert run["Arguments"] == {"--b": "given", "--c": "given"}
    assert run["StartedOn"] <= run["CompletedOn"]
    assert run["LogGroupName"] == "/aws-glue/jobs"
    assert "ErrorMessage" not in run
    output, step = messages(aws, "output", run["Id"])
    told = json.loads(output)
    assert step == "a step"
    words = told["argv"]
    assert dict(zip(words[::2], words[1::2], strict=True)) == {
        "--a": "default",
        "--b": "given",
        "--c": "given",
        "--JOB_ID": "j_" + "0" * 64,
        "--JOB_NAME": name,
        "--JOB_RUN_ID": run["Id"],
    }
    assert told["who"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/GlueJobRunnerSession"
    log = (server.home / "jobs" / f"{run['Id']}.log").read_text()
    assert output in log
    assert not (server.home / "jobs" / run["Id"]).exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sys.exit('job: one sentence.')", "job: one sentence."),
        ("raise ValueError('wrong')", "ValueError: wrong"),
        ("sys.exit(3)", "SystemExit: 3"),
        ("os._exit(4)", "Command failed with exit code 4"),
        ("os.kill(os.getpid(), 9)", "Command failed with signal 9"),
    ],
)
def test_a_run_that_fails_says_why(aws: Account, line: str, message: str) -> None:
    run = aws.run_job(aws.job(f"import os, sys\n{line}"))
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", message)
    logged = messages(aws, "error", run["Id"])
    assert logged[-1] == message
    assert any("job.py" in text for text in logged) == ("raise" in line)


def test_logs_have_the_names_that_glue_gives_them(aws: Account) -> None:
    security, bookmarks = aws.name("security"), {"JobBookmarksEncryptionMode": "DISABLED"}
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k"
    aws.client("glue").create_security_configuration(
        Name=security,
        EncryptionConfiguration={
            "CloudWatchEncryption": {"CloudWatchEncryptionMode": "SSE-KMS", "KmsKeyArn": key},
            "JobBookmarksEncryption": bookmarks,
        },
    )
    prefix = {"--custom-logGroup-prefix": "/custody"}
    own = aws.job("print('hello')", DefaultArguments=prefix)
    encrypted = aws.job("print('hello')", DefaultArguments=prefix, SecurityConfiguration=security)
    for name, group in ((own, "/custody"), (encrypted, f"/custody/{security}-role/{encrypted}")):
        assert messages(aws, "output", aws.run_job(name)["Id"], group) == ["hello"]


def test_a_run_that_exits_with_nothing_wrong_succeeds(aws: Account) -> None:
    assert aws.run_job(aws.job("import sys\nsys.exit(0)"))["JobRunState"] == "SUCCEEDED"


FIND = """
import importlib.util, json
for name in ["custody", "scripts", "tests", "raw_to_processed", "pyspark", "boto3", "msgspec"]:
    spec = importlib.util.find_spec(name)
    print(name, "no" if spec is None else "uploaded" if "/packages/" in spec.origin else "installed")
"""


def test_nothing_of_the_repository_is_importable(aws: Account) -> None:
    found = dict(line.split() for line in messages(aws, "output", aws.run_job(aws.job(FIND))["Id"]))
    names = ["custody", "scripts", "tests", "raw_to_processed", "pyspark", "boto3", "msgspec"]
    assert found == dict.fromkeys(names[:4], "no") | dict.fromkeys(names[4:], "installed")


def test_what_was_uploaded_is_what_runs(aws: Account) -> None:
    """A wheel's packages come before those that are installed here."""
    wheel = aws.zip({"custody/__init__.py": "", "msgspec/__init__.py": ""})
    run = aws.run_job(aws.job(FIND, modules={WHEEL: wheel}))
    found = dict(line.split() for line in messages(aws, "output", run["Id"]))
    assert [name for name, place in found.items() if place == "uploaded"] == ["custody", "msgspec"]


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (
            "s3://{bucket}/absent-1.0-py3-none-any.whl",
            "absent-1.0-py3-none-any.whl cannot be read: NoSuchKey",
        ),
        ("s3://{bucket}/job.py,requests==2.0", "requests==2.0 is not the URI of an object"),
        ("s3://{bucket}/0123abcd.whl", "0123abcd.whl is not a valid wheel filename"),
        (f"s3://{{bucket}}/{WHEEL}", "is no archive"),
    ],
)
def test_a_run_without_its_modules_does_not_start(aws: Account, modules: str, message: str) -> None:
    name = aws.job("print('ran')")
    for key in ("0123abcd.whl", WHEEL):
        aws.client("s3").put_object(Bucket=name, Key=key, Body=b"no zip")
    run = aws.run_job(name, **{"extra-py-files": modules.format(bucket=name)})
    assert run["JobRunState"] == "FAILED"
    assert message in run["ErrorMessage"]
    assert run["ExecutionTime"] == 0


def test_a_run_may_what_its_role_may(aws: Account) -> None:
    name = aws.job("print('ran')")
    role = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    deny = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{name}/*"}
    policy = {"Version": "2012-10-17", "Statement": [deny | {"Principal": {"AWS": role}}]}
    aws.client("s3").put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    run = aws.run_job(name)
    assert run["JobRunState"] == "FAILED"
    assert f"s3://{name}/job.py cannot be read: AccessDenied" in run["ErrorMessage"]


def test_no_more_runs_than_the_job_may_have_and_how_they_are_stopped(aws: Account, server: LocalAws) -> None:
    glue = aws.client("glue")
    name = aws.job(WAIT, ExecutionProperty={"MaxConcurrentRuns": 2})
    runs = [glue.start_job_run(JobName=name)["JobRunId"] for _ in range(2)]
    with pytest.raises(ClientError, match=r"ConcurrentRunsExceededException.*Concurrent runs exceeded for"):
        glue.start_job_run(JobName=name)
    assert server.admin("status")["jobs"][name]["active"] == runs
    pids = [
        int(eventually(lambda run_id=run_id: messages_if_any(aws, run_id))[0].split()[1]) for run_id in runs
    ]
    assert aws.job_run(name, runs[0], "RUNNING")["StartedOn"]
    answer = glue.batch_stop_job_run(JobName=name, JobRunIds=[*runs, "jr_absent"])
    assert [item["JobRunId"] for item in answer["SuccessfulSubmissions"]] == runs
    assert answer["Errors"][0]["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"
    for run_id in runs:
        run = aws.job_run(name, run_id)
        assert (run["JobRunState"], "ErrorMessage" in run) == ("STOPPED", False)
    assert not any(is_running(pid) for pid in pids)
    again = glue.batch_stop_job_run(JobName=name, JobRunIds=runs[:1])
    assert again["Errors"][0]["ErrorDetail"]["ErrorCode"] == "JobRunInTerminalStateException"
    third = glue.start_job_run(JobName=name)["JobRunId"]
    glue.batch_stop_job_run(JobName=name, JobRunIds=[third])
    assert aws.job_run(name, third)["JobRunState"] == "STOPPED"
    listed = glue.get_job_runs(JobName=name)["JobRuns"]
    assert [run["Id"] for run in listed] == [third, *reversed(runs)]
    assert glue.get_job_runs(JobName=name, MaxResults=1)["JobRuns"][0]["Id"] == third
    told = server.admin("status")["jobs"][name]
    assert (told["active"], told["runs"], told["failed"]) == ([], 3, 3)


def messages_if_any(account: Account, run_id: str) -> list[str]:
    try:
        return messages(account, "output", run_id)
    except ClientError:
        return []


def test_a_run_that_takes_too_long_is_ended(aws: Account, server: LocalAws, tmp_path: Path) -> None:
    name = aws.job("import subprocess\nsubprocess.run(['sleep', '600'])")
    order = Order("role", f"s3://{name}/job.py", [], [], str(tmp_path), str(tmp_path / "calls"))
    environment = {**server.environ(), "PATH": os.environ["PATH"], "AWS_ALLOW_HTTP": "true"}
    process = RunProcess(order, environment, lambda *_: None)
    assert process.wait(1.5, lambda: None) == Ending("TIMEOUT")
    glue = aws.client("glue")
    run_id = glue.start_job_run(JobName=name, Timeout=7)["JobRunId"]
    assert aws.job_run(name, run_id, "RUNNING")["Timeout"] == 7
    glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])


def test_jobs_and_runs_that_are_not_there(aws: Account) -> None:
    glue = aws.client("glue")
    name = aws.job("")
    for call in (
        lambda: glue.start_job_run(JobName="absent"),
        lambda: glue.get_job_run(JobName=name, RunId="jr_absent"),
        lambda: glue.get_job_runs(JobName="absent"),
        lambda: glue.batch_stop_job_run(JobName="absent", JobRunIds=["jr_absent"]),
    ):
        with pytest.raises(ClientError, match="EntityNotFoundException"):
            call()


def test_spark_writes_a_delta_table_as_the_role(aws: Account, server: LocalAws, trail: Trail) -> None:
    script = f"""
from pyspark.sql import SparkSession
from pyspark.sql.functions import rand
spark = SparkSession.builder.getOrCreate()
kept = spark.range(5).withColumnRenamed("id", "n").withColumn("chance", rand()).persist()
kept.write.format("delta").save("s3://{trail.bucket}/tables/numbers")
written = spark.read.format("delta").load("s3://{trail.bucket}/tables/numbers")
print(written.count(), kept.collect() == kept.collect(), spark.conf.get("spark.sql.shuffle.partitions"))
"""
    name = aws.job(script)
    run = aws.run_job(name)
    assert run["JobRunState"] == "SUCCEEDED", run["ErrorMessage"]
    [output] = messages(aws, "output", run["Id"])
    assert output == f"5 True {os.cpu_count()}"
    options = {**server.environ(), "AWS_ALLOW_HTTP": "true"}
    table = deltalake.DeltaTable(f"s3://{trail.bucket}/tables/numbers", storage_options=options)
    assert sorted(table.to_pyarrow_table()["n"].to_pylist()) == [0, 1, 2, 3, 4]
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/GlueJobRunnerSession"
    writers = {
        record["userIdentity"]["arn"] for record in trail.records() if record["eventName"] == "PutObject"
    }
    assert writers == {session}
    calls = [
        json.loads(line) for line in (server.home / "jobs" / name / "calls.jsonl").read_text().splitlines()
    ]
    assert {call["role"] for call in calls} == {f"arn:aws:iam::{ACCOUNT}:role/{name}"}
    commit = {"Bucket": trail.bucket, "Key": "tables/numbers/_delta_log/00000000000000000000.json"}
    assert [call for call in calls if call["params"] == commit | {"IfNoneMatch": "*"}]
    assert server.admin("status")["jobs"][name]["peak_rss_bytes"] > 50 * 2**20


def test_a_killed_server_takes_its_runs_along(tmp_path: Path) -> None:
    with LocalAws(tmp_path) as aws:
        account = Account(aws.endpoint)
        name = account.job(WAIT)
        run_id = account.client("glue").start_job_run(JobName=name)["JobRunId"]
        log = tmp_path / "jobs" / f"{run_id}.log"
        pid = int(eventually(lambda: log.exists() and log.read_text().split())[1])
        assert is_running(pid)
        os.kill(json.loads((tmp_path / "server.json").read_bytes())["pid"], signal.SIGKILL)
        eventually(lambda: not is_running(pid))
