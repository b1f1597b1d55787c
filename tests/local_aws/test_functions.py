from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from scripts.local_aws import LocalAws
from tests.local_aws.account import ACCOUNT, Account

TELL = """
import json, os, sys
def handler(event, context):
    print("told", event)
    return {
        "event": event, "pid": os.getpid(), "cwd": os.getcwd(), "path": sys.path, "env": dict(os.environ),
        "request_id": context.aws_request_id, "arn": context.invoked_function_arn,
        "name": context.function_name, "memory": context.memory_limit_in_mb,
        "left": context.get_remaining_time_in_millis(), "log_group": context.log_group_name,
    }
"""


def invoke(account: Account, name: str, event: Any = None, **more: Any) -> dict[str, Any]:
    answer = account.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), **more)
    return {**answer, "Payload": json.loads(answer["Payload"].read() or "null")}


def test_the_zip_runs_with_what_lambda_gives_it(aws: Account) -> None:
    name = aws.function(TELL, MemorySize=256, Environment={"Variables": {"SETTING": "value"}})
    answer = invoke(aws, name, {"a": "é"}, LogType="Tail")
    assert answer["StatusCode"] == 200
    assert "FunctionError" not in answer
    told = answer["Payload"]
    assert told["event"] == {"a": "é"}
    assert told["arn"] == f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"
    assert (told["name"], told["memory"]) == (name, "256")
    assert 0 < told["left"] <= 60_000
    environment = told["env"]
    assert environment["SETTING"] == "value"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == name
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert environment["AWS_LAMBDA_LOG_GROUP_NAME"] == told["log_group"] == f"/aws/lambda/{name}"
    assert environment["AWS_REGION"] == "us-east-1"
    assert environment["AWS_ENDPOINT_URL"] == aws.endpoint
    assert environment["TZ"] == "UTC"
    assert environment["LAMBDA_TASK_ROOT"] == told["cwd"] == told["path"][0]
    assert "HOME" not in environment
    log = base64.b64decode(answer["LogResult"]).decode()
    assert f"START RequestId: {told['request_id']}" in log
    assert "told {'a': 'é'}" in log
    assert f"REPORT RequestId: {told['request_id']}" in log


def test_nothing_of_the_repository_is_importable(aws: Account) -> None:
    code = """
import importlib.util
def handler(event, context):
    return [name for name in event if importlib.util.find_spec(name)]
"""
    wanted = ["scripts", "tests", "boto3", "json", "botocore"]
    assert invoke(aws, aws.function(code), wanted)["Payload"] == ["boto3", "json", "botocore"]


def test_it_acts_as_its_role(aws: Account) -> None:
    code = """
import boto3
def handler(event, context):
    return boto3.client("sts").get_caller_identity()["Arn"]
"""
    name = aws.function(code)
    assert invoke(aws, name)["Payload"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}-role/{name}"


def test_its_log_is_in_cloudwatch_logs_and_in_the_home(aws: Account, server: LocalAws) -> None:
    name = aws.function(TELL, LoggingConfig={"LogGroup": f"/custom/{aws.name()}"})
    group = invoke(aws, name, "words")["Payload"]["log_group"]
    events = aws.client("logs").filter_log_events(logGroupName=group)["events"]
    assert "told words" in [event["message"] for event in events]
    assert "told words\n" in (server.home / "functions" / name / "log.txt").read_text()


@pytest.mark.parametrize(
    ("body", "kind", "message", "timeout"),
    [
        ("raise ValueError('wrong')", "ValueError", "wrong", 60),
        ("return {1, 2}", "Runtime.MarshalError", "Unable to marshal response", 60),
        ("import os; os._exit(3)", "Runtime.ExitError", "exit status 3", 60),
        ("import time; time.sleep(600)", "Sandbox.Timedout", "Task timed out after 1.00 seconds", 1),
    ],
)
def test_a_failure_is_awss_error_document(
    aws: Account, body: str, kind: str, message: str, timeout: int
) -> None:
    name = aws.function(
        f"def handler(event, context):\n    if event: return 'well'\n    {body}", timeout=timeout
    )
    answer = invoke(aws, name)
    assert answer["FunctionError"] == "Unhandled"
    assert answer["Payload"]["errorType"] == kind
    assert message in answer["Payload"]["errorMessage"]
    if timeout < 60:
        aws.client("lambda").update_function_configuration(FunctionName=name, Timeout=60)
    assert invoke(aws, name, {"again": True})["Payload"] == "well"


def test_a_failure_tells_where(aws: Account) -> None:
    answer = invoke(aws, aws.function("def handler(event, context):\n    raise KeyError('k')"))
    [frame] = answer["Payload"]["stackTrace"]
    assert "code.py" in frame
    assert "raise KeyError('k')" in frame


@pytest.mark.parametrize(
    ("code", "kind"),
    [("import absent", "Runtime.ImportModuleError"), ("handle = 1", "Runtime.HandlerNotFound")],
)
def test_a_handler_that_cannot_be_imported(aws: Account, code: str, kind: str) -> None:
    answer = invoke(aws, aws.function(code))
    assert (answer["FunctionError"], answer["Payload"]["errorType"]) == ("Unhandled", kind)


def test_a_process_stays_warm_until_the_code_changes(aws: Account) -> None:
    functions = aws.client("lambda")
    name = aws.function("import os\ndef handler(event, context): return [1, os.getpid()]")
    first, second = invoke(aws, name)["Payload"], invoke(aws, name)["Payload"]
    assert first == second
    new = aws.zip({"code.py": "import os\ndef handler(event, context): return [2, os.getpid()]"})
    functions.update_function_code(FunctionName=name, ZipFile=new)
    assert invoke(aws, name)["Payload"][0] == 2
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"NEW": "1"}})
    assert invoke(aws, name)["Payload"][1] != first[1]


def test_code_comes_from_s3_too(aws: Account) -> None:
    bucket = aws.bucket()
    code = aws.zip({"code.py": "def handler(event, context): return 'from S3'"})
    aws.client("s3").put_object(Bucket=bucket, Key="code.zip", Body=code)
    name = aws.function("", Code={"S3Bucket": bucket, "S3Key": "code.zip"})
    assert invoke(aws, name)["Payload"] == "from S3"


def test_an_event_is_answered_at_once_and_tried_three_times(aws: Account) -> None:
    dead_url, dead_arn = aws.queue()
    bucket = aws.bucket()
    code = f"""
import boto3
def handler(event, context):
    boto3.client("s3").put_object(Bucket={bucket!r}, Key=context.aws_request_id, Body=b"")
    raise ValueError("never")
"""
    name = aws.function(code, DeadLetterConfig={"TargetArn": dead_arn})
    assert invoke(aws, name, {"n": 1}, InvocationType="Event")["StatusCode"] == 202
    assert aws.messages(dead_url, 1) == [{"n": 1}]
    versions = aws.client("s3").list_object_versions(Bucket=bucket)["Versions"]
    assert len(versions) == 3
    assert len({version["Key"] for version in versions}) == 1


def test_a_destination_is_told_of_an_event_that_failed(aws: Account) -> None:
    url, arn = aws.queue()
    name = aws.function("def handler(event, context): raise ValueError('never')")
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )
    invoke(aws, name, {"n": 1}, InvocationType="Event")
    [record] = aws.messages(url, 1)
    assert record["requestPayload"] == {"n": 1}
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 1
    assert record["responsePayload"]["errorType"] == "ValueError"


def test_a_dry_run_runs_nothing(aws: Account, server: LocalAws) -> None:
    name = aws.function(TELL)
    assert invoke(aws, name, {}, InvocationType="DryRun")["StatusCode"] == 204
    assert name not in server.admin("status")["functions"]


def test_what_cannot_be_invoked(aws: Account) -> None:
    functions = aws.client("lambda")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        functions.invoke(FunctionName="absent")
    name = aws.function(TELL)
    with pytest.raises(ClientError, match="InvalidRequestContentException"):
        functions.invoke(FunctionName=name, Payload=b"{")
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        functions.invoke(FunctionName=name)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="memory as Linux tells it")
def test_memory_is_measured(aws: Account, server: LocalAws) -> None:
    code = "def handler(event, context):\n    held = b'x' * event\n    return len(held)"
    name = aws.function(code)
    invoke(aws, name, 1)
    small = server.admin("status")["functions"][name]
    assert small["idle_rss_bytes"] <= small["peak_rss_bytes"] < small["idle_rss_bytes"] + 8 * 2**20
    invoke(aws, name, 64 * 2**20)
    large = server.admin("status")["functions"][name]
    assert large["idle_rss_bytes"] == small["idle_rss_bytes"]
    assert 60 * 2**20 <= large["peak_rss_bytes"] - large["idle_rss_bytes"] < 72 * 2**20
    assert (large["invocations"], large["errors"]) == (2, 0)


def test_two_invocations_run_at_once_and_no_more(aws: Account, tmp_path: Path) -> None:
    """Each waits until a second one runs."""
    code = f"""
import os, pathlib, time
def handler(event, context):
    pathlib.Path({str(tmp_path)!r}, context.aws_request_id).touch()
    while len(os.listdir({str(tmp_path)!r})) < 2:
        time.sleep(0.05)
    return os.getpid()
"""
    name = aws.function(code)
    with ThreadPoolExecutor(4) as threads:
        pids = list(threads.map(lambda _: invoke(aws, name)["Payload"], range(4)))
    assert len(set(pids)) == 2


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes as Linux tells them")
def test_a_function_that_times_out_is_ended(aws: Account) -> None:
    code = "import time, os\nprint('pid', os.getpid())\ndef handler(event, context):\n    time.sleep(600)"
    answer = invoke(aws, aws.function(code, timeout=1), LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    pid = next(line.split()[1] for line in log.splitlines() if line.startswith("pid "))
    assert not Path(f"/proc/{pid}").exists()


def test_its_calls_of_aws_are_written_down(aws: Account, server: LocalAws) -> None:
    bucket = aws.bucket()
    code = f"""
import boto3
S3 = boto3.client("s3")
def handler(event, context):
    S3.put_object(Bucket={bucket!r}, Key="a", Body=b"bytes", IfNoneMatch="*")
    S3.head_object(Bucket={bucket!r}, Key="a")
"""
    name = aws.function(code)
    invoke(aws, name)
    lines = (server.home / "functions" / name / "calls.jsonl").read_text().splitlines()
    role = f"arn:aws:iam::{ACCOUNT}:role/{name}-role"
    assert [json.loads(line) for line in lines] == [
        {
            "role": role,
            "service": "s3",
            "operation": "PutObject",
            "params": {"Bucket": bucket, "Key": "a", "IfNoneMatch": "*"},
        },
        {"role": role, "service": "s3", "operation": "HeadObject", "params": {"Bucket": bucket, "Key": "a"}},
    ]


def test_a_function_that_calls_nothing_imports_nothing_for_it(aws: Account, server: LocalAws) -> None:
    code = """
import sys
def handler(event, context):
    return [name for name in sys.modules if name.startswith(("boto", "pathlib", "importlib.util"))]
"""
    name = aws.function(code)
    assert invoke(aws, name)["Payload"] == []
    assert not (server.home / "functions" / name / "calls.jsonl").exists()
