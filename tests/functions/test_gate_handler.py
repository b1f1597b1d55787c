"""The gate as AWS Lambda runs it, with S3, KMS, Glue and SNS of moto."""

from __future__ import annotations

import base64
import gzip
import importlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.evidence.signing import KmsSigner
from scripts.local_aws.patches import kms_sign, s3_delete_markers, s3_list_versions
from tests.support.evidence import REGION, World, worlds

ROOT = Path(__file__).parents[2]
TABLES = {
    "silver": [
        {"table": "customers", "job": "silver-customers", "prefix": "incoming/customers/"},
        {"table": "viewing_events", "job": "silver-events", "prefix": "incoming/stream/"},
    ],
    "gold": [{"table": "customer_value", "job": "gold", "inputs": "customers,viewing_events"}],
}
SETTINGS = {
    "AWS_DEFAULT_REGION": REGION,
    "ANALYTICS_BUCKET": "analytics",
    "POWERTOOLS_METRICS_NAMESPACE": "Custody",
    "POWERTOOLS_SERVICE_NAME": "gate",
    "PROCESSED_BUCKET": "processed",
    "PROVENANCE_BUCKET": "provenance",
    "RAW_BUCKET": "raw",
    "ETL_ROLE_ID": "AROAEXAMPLE",
    "GATE_ROLE_ID": "AROAGATE",
    "DECIDER_ROLE_IDS": "nobody",
    "TABLES": base64.b64encode(gzip.compress(json.dumps(TABLES).encode())).decode(),
    "TOPIC_ARN": "arn:aws:sns:us-east-1:123456789012:alerts",
    "SCHEDULE_MINUTES": "15",
    "WATERMARK_MINUTES": "60",
}


@dataclass
class Context:
    """AWS Lambda's context object."""

    function_name: str = "custody-local-gate"
    memory_limit_in_mb: int = 1769
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:custody-local-gate"
    aws_request_id: str = "11111111-2222-3333-4444-555555555555"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    kms_sign.apply()
    s3_delete_markers.apply()
    s3_list_versions.apply()
    with worlds() as new:
        glue = boto3.client("glue", region_name=REGION)
        for name in ("silver-customers", "silver-events", "gold"):
            glue.create_job(Name=name, Role="etl", Command={"Name": "glueetl"})
        yield new


@pytest.fixture
def world(new_world: Callable[[], World], monkeypatch: pytest.MonkeyPatch) -> World:
    world = new_world()
    kms = boto3.client("kms", region_name=REGION)
    arn = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    world.write_registry(world.signer.registered(key_id=arn))
    world.recorder = world.recorder_with(KmsSigner(kms, arn))
    topic = boto3.client("sns", region_name=REGION).create_topic(Name="alerts")["TopicArn"]
    names = {
        "ANALYTICS_BUCKET": world.deployment.buckets["analytics"],
        "PROCESSED_BUCKET": world.deployment.buckets["processed"],
        "PROVENANCE_BUCKET": world.provenance,
        "RAW_BUCKET": world.raw,
        "TOPIC_ARN": topic,
    }
    for name, value in (SETTINGS | names).items():
        monkeypatch.setenv(name, value)
    return world


def start() -> Any:
    """Import the function again, like a cold start."""
    sys.modules.pop("gate.handler", None)
    return importlib.import_module("gate.handler")


def runs(job: str) -> list[dict[str, Any]]:
    glue = boto3.client("glue", region_name=REGION)
    return [dict(run) for run in glue.get_job_runs(JobName=job)["JobRuns"]]


def test_what_kms_signed_is_let_through_and_what_another_signed_is_not(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    good, forged = (world.put(f"incoming/customers/{name}.csv", b"a,b\n") for name in ("good", "forged"))
    world.record(good)
    world.metrics.clear_metrics()
    world.recorder = world.recorder_with(world.signer)  # a key of its own that says it is the one in KMS
    world.signer.keyid = json.loads(world.read(world.provenance, "keys/registry.json"))["keys"][0]["key_id"]
    world.record(forged)
    world.metrics.clear_metrics()

    answer = start().handler({}, Context())["tables"]["customers"]

    assert (answer["entries"], answer["withheld"], answer["state"]) == (1, 1, "started")
    processed = world.deployment.buckets["processed"]
    manifest = json.loads(world.read(processed, "manifests/customers/0000000001.json"))
    assert [entry["version_id"] for entry in manifest["entries"]] == [good.version.version_id]
    report = json.loads(world.read(processed, "manifests/customers/_withheld/0000000001.json"))
    assert [(withheld["version_id"], withheld["reason"]) for withheld in report["withheld"]] == [
        (forged.version.version_id, "signature")
    ]
    run = next(run for run in runs("silver-customers") if run["Id"] == answer["job_run_id"])
    assert run["Arguments"] == {"--manifest": answer["manifest"]}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (emf,) = [line for line in lines if "_aws" in line]
    (directive,) = emf["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Dimensions"], emf["service"]) == (
        "Custody",
        [["service"]],
        "gate",
    )
    counted = {name: sum(emf[name]) for name in (metric["Name"] for metric in directive["Metrics"])}
    assert counted.pop("TableWait") >= 0
    assert counted == {
        "JobsStarted": 1,
        "VersionsVerified": 1,
        "VersionsPending": 0,
        "VersionsWithheld": 1,
        "RowsRejected": 0,
        "NewColumns": 0,
    }


def test_a_key_that_kms_will_not_use_lets_nothing_through(world: World) -> None:
    drop = world.put("incoming/customers/a.csv", b"a,b\n")
    world.record(drop)
    arn = json.loads(world.read(world.provenance, "keys/registry.json"))["keys"][0]["key_id"]
    boto3.client("kms", region_name=REGION).disable_key(KeyId=arn.rpartition("/")[2])
    answer = start().handler({"table": "customers"}, Context())["tables"]["customers"]
    assert (answer["entries"], answer["withheld"], answer["state"]) == (0, 1, "idle")
    report = world.read(
        world.deployment.buckets["processed"], "manifests/customers/_withheld/0000000001.json"
    )
    assert json.loads(report)["withheld"][0]["reason"] == "key cannot be used"
    boto3.client("kms", region_name=REGION).enable_key(KeyId=arn.rpartition("/")[2])
    assert start().handler({"table": "customers"}, Context())["tables"]["customers"]["entries"] == 1


def test_a_receipt_under_a_delete_marker(world: World) -> None:
    drop = world.put("incoming/customers/a.csv", b"a,b\n")
    world.record(drop)
    world.s3.delete_object(Bucket=world.provenance, Key=drop.version.receipt_key)
    assert start().handler({}, Context())["tables"]["customers"]["withheld"] == 1


def test_gold_is_made_of_lineage_that_is_recorded(world: World) -> None:
    processed = world.deployment.buckets["processed"]
    documents = []
    for name in ("customers", "viewing_events"):
        uri = f"s3://{processed}/tables/{name}"
        document = {
            "type": "urn:custody:lineage:v1",
            "id": "ab" * 32,
            "job": "raw_to_processed",
            "run_id": "jr_1",
            "code": {"sha256": "0" * 64},
            "started_at": "2026-11-20T13:00:00Z",
            "committed_at": "2026-11-20T13:00:00Z",
            "manifest": {"uri": "s3://x/m?versionId=v", "sha256": "ab" * 32},
            "inputs": [],
            "withheld": [
                {"bucket": "b", "key": "k", "version_id": "v", "sha256": "0" * 64, "reason": "Too few rows."}
            ],
            "outputs": [{"table": uri, "delta_version": 7, "rows": 0}],
        }
        key = f"tables/{name}/_lineage/{7:020d}-{'ab' * 32}.json"
        documents.append(world.put(key, json.dumps(document).encode(), processed))
    event = {
        "detail-type": "Glue Job State Change",
        "detail": {"jobName": "silver-events", "state": "SUCCEEDED"},
    }
    with pytest.raises(CannotCheckError, match="no receipt yet"):
        start().handler(event, Context())
    for document in documents:
        world.record(document)
    world.metrics.clear_metrics()
    answer = start().handler(event, Context())
    assert answer["gold"]["customer_value"]["state"] == "started"
    assert answer["gold"]["customer_value"]["job_run_id"] in {run["Id"] for run in runs("gold")}


def test_an_event_that_asks_for_nothing_is_refused(world: World) -> None:
    assert world.raw
    with pytest.raises(UsageError, match="does not know"):
        start().handler({"Records": []}, Context())


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("name", sorted(SETTINGS.keys() - {"AWS_DEFAULT_REGION"}))
@pytest.mark.parametrize("value", [None, ""])
def test_a_setting_that_is_not_there_is_named(
    name: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=f"{name} is not set"):
        start()


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("name", "value"), [("WATERMARK_MINUTES", "-1"), ("WATERMARK_MINUTES", "1h"), ("TABLES", "[]")]
)
def test_a_setting_that_is_wrong_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises((UsageError, EvidenceError), match=r"WATERMARK_MINUTES|list of tables"):
        start()


NOT_IN_LAMBDA = ("cryptography", "isal", "msgspec", "duckdb", "typer", "pyspark", "pyarrow", "jinja2", "rich")


def run(code: str, blocked: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    block = "".join(f"sys.modules[{name!r}] = None\n" for name in blocked)
    return subprocess.run(
        [sys.executable, "-c", f"import sys\n{block}{code}"],
        env=SETTINGS | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'lambda'}"},
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_function_runs_without_what_only_verifiers_and_jobs_have() -> None:
    done = run("import gate.handler", NOT_IN_LAMBDA)
    assert done.returncode == 0, done.stderr


def test_what_the_function_runs_on_imports_no_boto3() -> None:
    done = run(
        "import custody.gate.gate, custody.evidence.signing",
        (*NOT_IN_LAMBDA, "boto3", "aws_lambda_powertools"),
    )
    assert done.returncode == 0, done.stderr


def test_blocking_a_module_is_noticed() -> None:
    done = run("import gate.handler", ("aws_lambda_powertools",))
    assert done.returncode == 1
    assert "aws_lambda_powertools" in done.stderr
