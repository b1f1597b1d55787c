from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto.athena.models import athena_backends
from moto.glue.models import glue_backends

from custody.deployment import Deployment
from custody.doctor.doctor import Check, Clients, State, _ask, examine, exit_code
from custody.evidence.objects import ObjectVersion
from custody.ledger.athena import Athena
from custody.ledger.auditor import STATE_KEY
from custody.ledger.auditor import State as AuditorState
from custody.log.checkpoint import Checkpoint
from custody.log.note import Algorithm, Note, NoteKey, NoteSignature
from custody.log.succession import LogEnd, make_statement
from custody.times import format_time
from tests.support.copies import replicate
from tests.support.evidence import refused
from tests.support.lake import Lake
from tests.support.small_log import MemoryLog, NoteSigner
from tests.unit.cloud import QUEUE_ARN, Cloud, _empty_zip, deployed
from tests.unit.report.sample import RAW

STAGES = [
    "credentials",
    "deployment",
    "buckets",
    "object lock",
    "notifications",
    "queue",
    "dead letters",
    "recorder",
    "event source",
    "signing key",
    "key registry",
    "ended keys",
    "trail",
    "data events",
    "management events",
    "gate",
    "jobs",
    "workgroup",
    "ledger",
    "object access",
    "auditor",
]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with deployed(monkeypatch) as cloud:
        yield cloud


def check(
    cloud: Cloud, deployment: Deployment | None = None, now: datetime | None = None
) -> dict[str, Check]:
    deployment = deployment or cloud.deployment
    clients = Clients(
        sts=cloud.client("sts"),
        s3=cloud.client("s3"),
        sqs=cloud.client("sqs"),
        functions=cloud.client("lambda"),
        kms=cloud.client("kms"),
        cloudtrail=cloud.client("cloudtrail"),
        athena=cloud.client("athena"),
        glue=cloud.client("glue"),
        copy=cloud.client("s3"),
    )
    athena = Athena(
        clients.athena, workgroup=deployment.workgroup, database=deployment.database, sleep=lambda _: None
    )
    checks = list(examine(clients, athena, deployment, now or datetime.now(UTC)))
    stages = [each for each in STAGES if deployment.jobs or each not in {"gate", "jobs"}]
    if "auditor" not in deployment.functions:
        stages.remove("auditor")
    if "sealer" in deployment.functions:
        at = stages.index("trail")
        stages[at:at] = ["sealer", "log"]
    if deployment.evidence_copy:
        stages.insert(stages.index("trail"), "second copy")
    if "hasher" in deployment.queues:
        stages.insert(stages.index("signing key"), "large objects")
    at = stages.index("queue")
    stages[at:at] = [f"adopted {name}" for name in deployment.adopted_since]
    of_tables = [f"table {name}" for name in deployment.tables]
    at = stages.index("workgroup")
    assert [each.stage for each in checks] == stages[:at] + of_tables + stages[at:]
    return {each.stage: each for each in checks}


def test_a_whole_pipeline_is_well(cloud: Cloud) -> None:
    cloud.connect_recorder()
    checks = check(cloud)
    assert [each for each in checks.values() if each.state is not State.OK] == []
    assert exit_code(list(checks.values())) == 0


def stop_versioning(cloud: Cloud) -> None:
    cloud.client("s3").put_bucket_versioning(Bucket=RAW, VersioningConfiguration={"Status": "Suspended"})


def delete_bucket(cloud: Cloud) -> None:
    cloud.client("s3").delete_bucket(Bucket=cloud.deployment.buckets["analytics"])


def forget_notification(cloud: Cloud) -> None:
    cloud.client("s3").put_bucket_notification_configuration(Bucket=RAW, NotificationConfiguration={})


def notify_of_deletions_only(cloud: Cloud) -> None:
    cloud.client("s3").put_bucket_notification_configuration(
        Bucket=RAW,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": QUEUE_ARN, "Events": ["s3:ObjectRemoved:*"]}]
        },
    )


def delete_queue(cloud: Cloud) -> None:
    cloud.client("sqs").delete_queue(QueueUrl=cloud.deployment.queues["recorder"])


def leave_dead_letter(cloud: Cloud) -> None:
    cloud.client("sqs").send_message(QueueUrl=cloud.deployment.queues["recorder-dlq"], MessageBody="{}")


def test_the_queue_of_large_objects_is_a_stage_where_there_is_one(cloud: Cloud) -> None:
    sqs, queues = cloud.client("sqs"), cloud.deployment.queues
    for short in ("hasher", "hasher-dlq"):
        queues = queues | {short: sqs.create_queue(QueueName=f"custody-local-{short}")["QueueUrl"]}
    deployment = replace(cloud.deployment, queues=queues)
    sqs.send_message(QueueUrl=queues["hasher"], MessageBody="{}")
    found = check(cloud, deployment)["large objects"]
    assert (found.state, found.detail) == (State.OK, "1 waiting, 0 being recorded")
    sqs.send_message(QueueUrl=queues["hasher-dlq"], MessageBody="{}")
    found = check(cloud, deployment)["large objects"]
    assert (found.state, found.detail) == (State.BROKEN, "1 message could not be recorded.")
    assert "hasher's log" in found.remedy
    assert "large objects" not in check(cloud)


def delete_function(cloud: Cloud) -> None:
    cloud.client("lambda").delete_function(FunctionName="custody-local-recorder")


def delete_gate(cloud: Cloud) -> None:
    cloud.client("lambda").delete_function(FunctionName="custody-local-gate")


def leave_version(cloud: Cloud, count: int = 1) -> None:
    """As the gate reports it, after a report that named others."""
    withheld = [
        {
            "bucket": RAW,
            "key": f"incoming/customers/{name}",
            "version_id": "v",
            "reason": "no receipt",
            "detail": "",
        }
        for name in range(5)
    ]
    for number, named in ((1, withheld), (2, withheld[:count])):
        cloud.client("s3").put_object(
            Bucket=cloud.deployment.buckets["processed"],
            Key=f"manifests/customers/_withheld/{number:010d}.json",
            Body=json.dumps(
                {"type": "urn:custody:withheld:v1", "table": "customers", "number": number, "withheld": named}
            ),
        )


def fail_job(cloud: Cloud, state: str = "FAILED") -> None:
    run(cloud, "SUCCEEDED", "")
    run(cloud, state, "raw_to_processed: 9 of 10 rows were rejected.")


def run(cloud: Cloud, state: str, message: str) -> None:
    """Add a job run with this state: moto has no failing runs."""
    name = cloud.deployment.jobs["raw-to-processed-customers"]
    cloud.client("glue").start_job_run(JobName=name)
    runs = glue_backends[cloud.deployment.account_id]["us-east-1"].jobs[name].job_runs
    held, known = runs[-1], runs[-1].as_dict()
    told = {"JobRunState": state, "StartedOn": datetime.now() + timedelta(minutes=len(runs))}  # noqa: DTZ005
    held.as_dict = lambda: known | told | ({"ErrorMessage": message} if message else {})


def delete_job(cloud: Cloud) -> None:
    cloud.client("glue").delete_job(JobName=cloud.deployment.jobs["processed-to-analytics-customer-value"])


def disable_key(cloud: Cloud) -> None:
    cloud.client("kms").disable_key(KeyId=cloud.deployment.keys["signing"].rpartition("/")[2])


def sign_after_the_end(cloud: Cloud) -> None:
    """With a key that was retired, and then revoked as of an earlier time."""
    key = cloud.deployment.keys["signing"]
    cloud.put_registry(valid_until="2026-06-01T00:00:00Z", revoked_at="2026-01-02T00:00:00Z")
    cloud.client("kms").sign(KeyId=key, Message=b"a receipt", SigningAlgorithm="ECDSA_SHA_256")


def delete_registry(cloud: Cloud) -> None:
    cloud.client("s3").delete_object(Bucket=cloud.deployment.buckets["provenance"], Key="keys/registry.json")


def garble_registry(cloud: Cloud) -> None:
    cloud.client("s3").put_object(
        Bucket=cloud.deployment.buckets["provenance"], Key="keys/registry.json", Body=b"{"
    )


def stop_trail(cloud: Cloud) -> None:
    cloud.client("cloudtrail").stop_logging(Name="custody-local")


def delete_trail(cloud: Cloud) -> None:
    cloud.client("cloudtrail").delete_trail(Name="custody-local")


def log_no_management_writes(cloud: Cloud) -> None:
    cloud.client("cloudtrail").put_event_selectors(
        TrailName="custody-local",
        AdvancedEventSelectors=[
            {"Name": "Objects", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}
        ],
    )


def disable_workgroup(cloud: Cloud) -> None:
    # moto has no UpdateWorkGroup
    athena_backends[cloud.deployment.account_id]["us-east-1"].work_groups["custody-local"].state = "DISABLED"


@pytest.mark.parametrize(
    ("sabotage", "stage", "words"),
    [
        (stop_versioning, "buckets", "Versioning is not enabled"),
        (delete_bucket, "buckets", "NoSuchBucket"),
        (forget_notification, "notifications", "does not notify"),
        (notify_of_deletions_only, "notifications", "does not notify"),
        (delete_queue, "queue", "NonExistentQueue"),
        (leave_dead_letter, "dead letters", "1 message could not be recorded"),
        (delete_function, "recorder", "ResourceNotFoundException"),
        (disable_key, "signing key", "Disabled"),
        (delete_registry, "key registry", "NoSuchKey"),
        (garble_registry, "key registry", "not strict JSON"),
        (lambda cloud: cloud.put_registry(key_id="another"), "key registry", "not in the key registry"),
        (
            lambda cloud: cloud.put_registry(valid_from="2999-01-01T00:00:00Z"),
            "key registry",
            "not valid now",
        ),
        (
            lambda cloud: cloud.put_registry(valid_until="2026-01-02T00:00:00Z"),
            "key registry",
            "not valid now",
        ),
        (lambda cloud: cloud.put_registry(revoked_at="2026-01-02T00:00:00Z"), "key registry", "revoked"),
        (sign_after_the_end, "ended keys", "has signed at 20"),
        (stop_trail, "trail", "not logging"),
        (delete_trail, "trail", "TrailNotFoundException"),
        (delete_trail, "management events", "does not exist"),
        (stop_trail, "management events", "is not logging"),
        (log_no_management_writes, "data events", "does not log reads of arn:aws:s3:::"),
        (log_no_management_writes, "management events", "does not log management write events: no alarm"),
        (delete_gate, "gate", "ResourceNotFoundException"),
        (leave_version, "gate", "1 of customers"),
        (delete_job, "jobs", "EntityNotFoundException"),
        (fail_job, "jobs", "raw-to-processed-customers FAILED 20"),
        (fail_job, "jobs", "raw_to_processed: 9 of 10 rows were rejected."),
        (lambda cloud: fail_job(cloud, "TIMEOUT"), "jobs", "raw-to-processed-customers TIMEOUT"),
        (lambda cloud: fail_job(cloud, "STOPPED"), "jobs", "raw-to-processed-customers STOPPED"),
        (disable_workgroup, "workgroup", "DISABLED"),
    ],
)
def test_what_is_broken_is_named_with_its_remedy(
    cloud: Cloud, sabotage: Callable[[Cloud], None], stage: str, words: str
) -> None:
    sabotage(cloud)
    found = check(cloud)[stage]
    assert found.state is State.BROKEN
    assert words in found.detail
    assert found.remedy
    assert "custody doctor" not in found.remedy


def test_a_query_that_failed_is_named_and_nobody_is_sent_in_circles(cloud: Cloud) -> None:
    service = Stubber(cloud.client("athena"))
    service.add_response("start_query_execution", {"QueryExecutionId": "1234-abcd"})
    status = {"State": "FAILED", "StateChangeReason": "TABLE_NOT_FOUND: line 1:15: no table"}
    service.add_response("get_query_execution", {"QueryExecution": {"Status": status}})
    athena = Athena(service.client, workgroup="w", database="d")
    with service:
        found = _ask("ledger", lambda: str(list(athena.query("SELECT 1"))))
    assert found.state is State.BROKEN
    assert "query 1234-abcd as FAILED: TABLE_NOT_FOUND: line 1:15: no table." in found.detail
    assert "--query-execution-id 1234-abcd" in found.remedy
    assert "custody doctor" not in found.remedy


def test_an_apply_that_did_not_succeed_is_broken(cloud: Cloud) -> None:
    found = check(cloud, replace(cloud.deployment, unfinished_apply="2026-01-15T09:30:00Z"))["deployment"]
    assert (found.state, found.remedy) == (State.BROKEN, "Run make plan apply, and read its output.")
    assert "The apply or destroy of 2026-01-15T09:30:00Z did not succeed" in found.detail


def another_trail(cloud: Cloud, region: str, *, everywhere: bool) -> Deployment:
    """As an account has one for its management events."""
    client = boto3.client("cloudtrail", region_name=region)
    client.create_trail(
        Name="account",
        S3BucketName=cloud.deployment.buckets["cloudtrail-log"],
        IsMultiRegionTrail=everywhere,
    )
    client.start_logging(Name="account")
    arn = f"arn:aws:cloudtrail:{region}:{cloud.deployment.account_id}:trail/account"
    return replace(cloud.deployment, management_trail_arn=arn)


def test_another_trail_that_logs_management_writes_is_looked_up(cloud: Cloud) -> None:
    log_no_management_writes(cloud)
    deployment = another_trail(cloud, "us-east-1", everywhere=True)
    found = check(cloud, deployment)["management events"]
    assert (found.state, found.detail) == (
        State.OK,
        f"{deployment.management_trail_arn} logs management write events",
    )
    cloud.client("cloudtrail").stop_logging(Name="account")
    found = check(cloud, deployment)["management events"]
    assert (found.state, "is not logging" in found.detail) == (State.BROKEN, True)
    assert "leave management_trail_arn out" in found.remedy


def test_a_trail_of_another_region_alone_hears_nothing_here(cloud: Cloud) -> None:
    deployment = another_trail(cloud, "eu-west-1", everywhere=False)
    found = check(cloud, deployment)["management events"]
    assert found.state is State.BROKEN
    assert "logs only eu-west-1" in found.detail or "does not exist" in found.detail


def trail_of_somebody(cloud: Cloud, **settings: Any) -> Deployment:
    """A deployment that reads a trail which the account has, in a bucket without versions."""
    s3, client, bucket = cloud.client("s3"), cloud.client("cloudtrail"), "trail-of-somebody"
    s3.create_bucket(Bucket=bucket)
    given = {"S3KeyPrefix": "logs", "EnableLogFileValidation": True, "IsMultiRegionTrail": True} | settings
    client.create_trail(Name="account", S3BucketName=bucket, **given)
    client.start_logging(Name="account")
    objects = {"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}
    client.put_event_selectors(
        TrailName="account",
        EventSelectors=[
            {"ReadWriteType": "All", "IncludeManagementEvents": True, "DataResources": [objects]}
        ],
    )
    account_id = cloud.deployment.account_id
    folder = f"logs/AWSLogs/{account_id}/"
    s3.put_object(Bucket=bucket, Key=f"{folder}CloudTrail/us-east-1/2026/01/01/a.json.gz", Body=b"a")
    arn = f"arn:aws:cloudtrail:us-east-1:{account_id}:trail/account"
    return replace(
        cloud.deployment,
        buckets=cloud.deployment.buckets | {"cloudtrail-log": bucket},
        trail_arn=arn,
        management_trail_arn=arn,
        existing_trail_folder=folder,
    )


def test_a_trail_of_somebody_else_is_well(cloud: Cloud) -> None:
    cloud.connect_recorder()
    checks = check(cloud, trail_of_somebody(cloud))
    assert [each for each in checks.values() if each.state is not State.OK] == []
    assert "how long the trail's files stay is up to their owner" in checks["object lock"].detail


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"EnableLogFileValidation": False}, "writes no digests"),
        ({"IsMultiRegionTrail": False, "IncludeGlobalServiceEvents": False}, "logs only one Region"),
        ({"S3KeyPrefix": "elsewhere"}, "delivers to s3://trail-of-somebody/elsewhere/AWSLogs/1"),
        ({"IsOrganizationTrail": True}, "delivers to s3://trail-of-somebody/logs/AWSLogs/o-"),
    ],
)
def test_a_trail_of_somebody_else_that_gives_no_evidence_is_told(
    cloud: Cloud, settings: dict[str, Any], words: str
) -> None:
    found = check(cloud, trail_of_somebody(cloud, **settings))["trail"]
    assert (found.state, words in found.detail) == (State.BROKEN, True)


def test_what_a_trail_of_somebody_else_does_not_log_is_told(cloud: Cloud) -> None:
    deployment = trail_of_somebody(cloud)
    cloud.client("cloudtrail").put_event_selectors(
        TrailName="account",
        EventSelectors=[
            {
                "ReadWriteType": "WriteOnly",
                "DataResources": [{"Type": "AWS::S3::Object", "Values": [f"arn:aws:s3:::{RAW}/"]}],
            }
        ],
    )
    found = check(cloud, deployment)["data events"]
    assert found.state is State.BROKEN
    assert f"reads of arn:aws:s3:::{RAW}/*; " in found.detail
    assert f"writes of arn:aws:s3:::{RAW}/*" not in found.detail
    assert "existing_trail_owner" in found.remedy


def test_a_trail_of_somebody_else_of_which_nothing_is_there_is_not_known_to_be_well(cloud: Cloud) -> None:
    """Such as below the ID of another organization."""
    deployment = trail_of_somebody(cloud)
    (file,) = cloud.client("s3").list_objects_v2(Bucket="trail-of-somebody")["Contents"]
    cloud.client("s3").delete_object(Bucket="trail-of-somebody", Key=file["Key"])
    found = check(cloud, deployment)["trail"]
    assert found.state is State.UNKNOWN
    assert f"no file below s3://trail-of-somebody/{deployment.trail_folder}" in found.detail


def test_a_trail_of_somebody_else_whose_files_cannot_be_read_is_told(cloud: Cloud) -> None:
    deployment = trail_of_somebody(cloud)
    with refused(cloud.client("s3"), "GetObject", 403, "AccessDenied"):
        found = check(cloud, deployment)["trail"]
    assert (found.state, "cannot be read: GetObject: AccessDenied" in found.detail) == (State.BROKEN, True)
    assert "existing_trail_owner" in found.remedy


def test_a_trail_of_another_account_that_cannot_be_asked_is_not_known_to_be_well(cloud: Cloud) -> None:
    arn = "arn:aws:cloudtrail:us-east-1:210987654321:trail/account"
    deployment = replace(trail_of_somebody(cloud), trail_arn=arn, management_trail_arn=arn)
    checks = check(cloud, deployment)
    stages = [checks[stage] for stage in ("trail", "data events", "management events")]
    assert {each.state for each in stages} == {State.UNKNOWN}
    assert all(f"does not say from here how the trail {arn} is set" in each.detail for each in stages)


def test_the_last_run_of_each_job_is_told(cloud: Cloud) -> None:
    assert (
        check(cloud)["jobs"].detail
        == "processed-to-analytics-customer-value has not run yet; raw-to-processed-customers has not run yet"
    )
    run(cloud, "FAILED", "first")
    run(cloud, "RUNNING", "")
    found = check(cloud)["jobs"]
    assert (found.state, "raw-to-processed-customers RUNNING 20" in found.detail) == (State.OK, True)


def test_what_the_gate_leaves_no_more_is_well(cloud: Cloud) -> None:
    leave_version(cloud, count=0)
    assert check(cloud)["gate"].detail == "custody-local-gate is active; nothing is withheld from 1 tables"


def test_a_function_that_reads_no_queue_is_broken(cloud: Cloud) -> None:
    assert "no event source mapping" in check(cloud)["event source"].detail
    mapping = cloud.connect_recorder()
    cloud.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
    found = check(cloud)["event source"]
    assert (found.state, "Disabled" in found.detail) == (State.BROKEN, True)


ORIGIN = "logs.example/custody-local"


def with_log(cloud: Cloud) -> Deployment:
    """The deployment with a sealer that reads its queue, and a log of three entries."""
    sqs, functions = cloud.client("sqs"), cloud.client("lambda")
    urls = {short: sqs.create_queue(QueueName=f"custody-local-{short}")["QueueUrl"] for short in SEALING}
    code = functions.get_function(FunctionName="custody-local-recorder")["Configuration"]
    arn = functions.create_function(
        FunctionName="custody-local-sealer",
        Runtime="python3.13",
        Role=code["Role"],
        Handler="sealer.handler.handler",
        Code={"ZipFile": _empty_zip()},
    )["FunctionArn"]
    functions.create_event_source_mapping(
        FunctionName="custody-local-sealer", EventSourceArn=QUEUE_ARN.replace("recorder", "sealer")
    )
    deployment = replace(
        cloud.deployment,
        functions=cloud.deployment.functions | {"sealer": arn},
        queues=cloud.deployment.queues | urls,
    )
    register_log(cloud, ORIGIN)
    publish(cloud, ORIGIN)
    return deployment


SEALING = ("sealer", "sealer-dlq")


def register_log(cloud: Cloud, origin: str) -> None:
    s3, bucket = cloud.client("s3"), cloud.deployment.buckets["provenance"]
    registry = json.load(s3.get_object(Bucket=bucket, Key="keys/registry.json")["Body"])
    registry["log"] = {"origin": origin, "keys": registry["keys"]}
    s3.put_object(Bucket=bucket, Key="keys/registry.json", Body=json.dumps(registry))


def publish(cloud: Cloud, origin: str, *lines: NoteSignature) -> None:
    text = Checkpoint(origin, 3, bytes(32)).to_text()
    note = Note(text, (NoteSignature(origin, bytes(4), b"signature"), *lines))
    bucket = cloud.deployment.buckets["provenance"]
    cloud.client("s3").put_object(Bucket=bucket, Key="log/checkpoint", Body=note.to_bytes())


def test_keys_that_ended_have_not_signed_since(cloud: Cloud) -> None:
    kms, key = cloud.client("kms"), cloud.deployment.keys["signing"]
    assert check(cloud)["ended keys"].detail == "none"
    cloud.put_registry(valid_until="2026-01-02T00:00:00Z")
    assert check(cloud)["ended keys"].detail == "1 have ended, and none has signed since"
    made = kms.sign(KeyId=key, Message=b"a receipt", SigningAlgorithm="ECDSA_SHA_256")
    assert check(cloud)["ended keys"].state is State.BROKEN
    # It still verifies what it signed in its time.
    kms.verify(KeyId=key, Message=b"a receipt", SigningAlgorithm="ECDSA_SHA_256", Signature=made["Signature"])
    assert check(cloud)["ended keys"].detail.startswith("1 have ended; the last use of 1 is to verify")
    # Nor does a key that is gone.
    cloud.put_registry(valid_until="2026-01-02T00:00:00Z", key_id=f"{key[:-4]}0000")
    assert check(cloud)["ended keys"].state is State.OK


def test_a_log_that_grows_is_well(cloud: Cloud) -> None:
    found = check(cloud, with_log(cloud))
    assert found["sealer"].detail == "custody-local-sealer is active; the sealer reads its queue (enabled)"
    assert found["log"].detail.startswith("3 entries, signed at 20")
    assert {found[stage].state for stage in ("sealer", "log")} == {State.OK}


def test_receipts_that_could_not_be_sealed_are_told(cloud: Cloud) -> None:
    deployment = with_log(cloud)
    cloud.client("sqs").send_message(QueueUrl=deployment.queues["sealer-dlq"], MessageBody="{}")
    found = check(cloud, deployment)["sealer"]
    assert (found.state, found.detail) == (State.BROKEN, "1 message could not be sealed.")


def test_a_checkpoint_of_another_log_is_told(cloud: Cloud) -> None:
    deployment = with_log(cloud)
    publish(cloud, "logs.example/another")
    found = check(cloud, deployment)["log"]
    assert (found.state, "of the log 'logs.example/another'" in found.detail) == (State.BROKEN, True)


def test_a_log_without_a_checkpoint_is_told(cloud: Cloud) -> None:
    deployment = with_log(cloud)
    cloud.client("s3").delete_object(Bucket=deployment.buckets["provenance"], Key="log/checkpoint")
    assert check(cloud, deployment)["log"].state is State.BROKEN


def test_a_log_that_stands_still_is_told(cloud: Cloud) -> None:
    deployment = with_log(cloud)
    found = check(cloud, deployment, datetime.now(UTC) + timedelta(days=2))["log"]
    assert (found.state, "stands still" in found.detail) == (State.BROKEN, True)


def test_a_log_that_has_ended_does_not_stand_still(cloud: Cloud) -> None:
    deployment = with_log(cloud)
    s3, bucket = cloud.client("s3"), deployment.buckets["provenance"]
    origin = json.load(s3.get_object(Bucket=bucket, Key="keys/registry.json")["Body"])["log"]["origin"]
    signer = NoteSigner(origin)
    log = MemoryLog(signer=signer)
    log.extend([make_statement(LogEnd(origin, 1, None), [], datetime.now(UTC)).entry])
    for path, data in log.files.items():
        s3.put_object(Bucket=bucket, Key=f"log/{path}", Body=data)
    found = check(cloud, deployment, datetime.now(UTC) + timedelta(days=2))["log"]
    assert (found.state, found.detail.partition(",")[0]) == (State.OK, "it has ended with 1 entries")


def test_a_log_that_should_have_ended_is_told(cloud: Cloud) -> None:
    deployment = with_log(cloud)
    s3, bucket = cloud.client("s3"), deployment.buckets["provenance"]
    registry = json.load(s3.get_object(Bucket=bucket, Key="keys/registry.json")["Body"])
    for at, state in ((datetime.now(UTC), State.OK), (datetime.now(UTC) - timedelta(days=2), State.BROKEN)):
        registry["log"]["end"] = {"at": format_time(at), "successor": None}
        s3.put_object(Bucket=bucket, Key="keys/registry.json", Body=json.dumps(registry))
        assert check(cloud, deployment)["log"].state is state


def test_which_witnesses_have_cosigned_is_told(cloud: Cloud) -> None:
    keys = {
        label: NoteKey(f"{label}.example", Algorithm.ED25519_COSIGNATURE, bytes(32))
        for label in ("ours", "theirs")
    }
    witnesses = {label: key.to_verifier_key() for label, key in keys.items()}
    deployment = replace(with_log(cloud), witnesses=witnesses)
    later = datetime.now(UTC) + timedelta(hours=3)
    lines = [NoteSignature(key.name, key.key_id, b"cosignature") for key in keys.values()]

    found = check(cloud, deployment)["log"]
    assert (found.state, found.detail.endswith("; not yet by ours, theirs")) == (State.OK, True)
    publish(cloud, ORIGIN, lines[0])
    found = check(cloud, deployment)["log"]
    assert (found.state, found.detail.endswith(", cosigned by ours; not yet by theirs")) == (State.OK, True)
    found = check(cloud, deployment, later)["log"]
    assert (found.state, found.detail.endswith("not cosigned by theirs.")) == (State.BROKEN, True)
    publish(cloud, ORIGIN, *lines)
    found = check(cloud, deployment, later)["log"]
    assert (found.state, found.detail.endswith(", cosigned by ours, theirs")) == (State.OK, True)


def test_another_account_ends_the_examination(cloud: Cloud) -> None:
    checks = list(check(cloud, replace(cloud.deployment, account_id="999999999999")).values())
    assert checks[0].state is State.BROKEN
    assert {each.state for each in checks[1:]} == {State.UNKNOWN}
    assert exit_code(checks) == 1


def test_a_service_that_is_not_there_is_unknown(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        cloud,
        "client",
        lambda service: boto3.client(service, region_name="us-east-1", endpoint_url="http://127.0.0.1:9"),
    )
    checks = list(check(cloud).values())
    assert {each.state for each in checks} == {State.UNKNOWN}
    assert exit_code(checks) == 3


def test_each_table_says_what_it_took_last_and_what_it_waits_for(cloud: Cloud) -> None:
    tables = {"orders": [], "visits": [], "value": ["orders", "visits"]}
    deployment = replace(cloud.deployment, tables=tables)
    s3 = cloud.client("s3")

    def put(bucket: str, key: str, body: bytes) -> ObjectVersion:
        return ObjectVersion(bucket, key, s3.put_object(Bucket=bucket, Key=key, Body=body)["VersionId"])

    def told() -> dict[str, str]:
        found = check(cloud, deployment)
        assert {found[f"table {name}"].state for name in tables} == {State.OK}
        return {name: found[f"table {name}"].detail for name in tables}

    lake = Lake(deployment.buckets, put)
    nothing = "took nothing yet; waits for an object version that is delivered and proven"
    assert told() == {
        "orders": nothing,
        "visits": nothing,
        "value": "waits for orders, visits: no rows yet",
    }
    document = lake.silver("orders", 1, [lake.raw("incoming/orders/a"), lake.raw("incoming/orders/b")])
    assert told() == {
        "orders": f"took 2 object versions at {document['committed_at']}: 2 of 2 rows stand",
        "visits": nothing,
        "value": "waits for visits: no rows yet",
    }
    lake.silver("visits", 4, [lake.raw("incoming/visits/a")])
    assert told()["value"] == "waits for its job: orders is at 1, visits is at 4"
    made = lake.gold("value", 1, [("orders", 1), ("visits", 4)])
    assert told()["value"] == f"was made of orders@1, visits@4 at {made['committed_at']}"
    lake.silver("orders", 2, [lake.raw("incoming/orders/c")])
    assert told()["value"].endswith("; waits for its job: orders is at 2")
    put(deployment.buckets["processed"], "manifests/orders/0000000003.json", b"{}")
    assert told()["orders"].endswith("; waits for its job: 1 manifest handed out and not done")


def test_a_lineage_document_that_is_none_is_broken(cloud: Cloud) -> None:
    deployment = replace(cloud.deployment, tables={"orders": []})
    key = f"tables/orders/_lineage/{1:020d}-{'ab' * 32}.json"
    words = b'{"inputs": [], "committed_at": "", "counts": {"valid": "many", "rows": "more"}}'
    for body in (b"", b"{}", words):
        cloud.client("s3").put_object(Bucket=deployment.buckets["processed"], Key=key, Body=body)
        assert check(cloud, deployment)["table orders"].state is State.BROKEN


def test_evidence_alone_has_neither_gate_nor_jobs(cloud: Cloud) -> None:
    functions = {"recorder": cloud.deployment.functions["recorder"]}
    deployment = replace(cloud.deployment, functions=functions, jobs={}, tables={})
    assert not {"gate", "jobs"} & check(cloud, deployment).keys()


def test_the_auditor_has_run_within_a_day(cloud: Cloud) -> None:
    assert check(cloud)["auditor"].detail == "custody-local-auditor is active; it has not run yet"
    bucket = cloud.deployment.buckets["artifacts"]
    cloud.client("s3").put_object(Bucket=bucket, Key=STATE_KEY, Body=AuditorState().to_json())
    ran = cloud.client("s3").head_object(Bucket=bucket, Key=STATE_KEY)["LastModified"]

    found = check(cloud)["auditor"]
    assert found.state is State.OK
    assert found.detail == (
        f"custody-local-auditor is active; ran at {format_time(ran)}, and could ask every rule that was due"
    )
    late = check(cloud, now=ran + timedelta(days=1, seconds=1))["auditor"]
    assert (late.state, late.remedy) == (State.BROKEN, "Read the reason in the auditor's log.")
    assert late.detail.startswith(f"The auditor has not run to its end since {format_time(ran)}")


def adopt(
    cloud: Cloud, *, versioning: str = "Enabled", bus: bool = True, where: dict[str, Any] | None = None
) -> Check:
    """The check of an adopted bucket whose owner has done this; it has an object."""
    s3, bucket = cloud.client("s3"), "archive"
    s3.create_bucket(Bucket=bucket, **(where or {}))
    s3.put_object(Bucket=bucket, Key="letters/empty", Body=b"")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": versioning})
    own = (
        {} if where else {"QueueConfigurations": [{"QueueArn": QUEUE_ARN, "Events": ["s3:ObjectRemoved:*"]}]}
    )
    configuration = own | ({"EventBridgeConfiguration": {}} if bus else {})
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)
    deployment = replace(
        cloud.deployment,
        recorded_prefixes={**cloud.deployment.recorded_prefixes, bucket: ["letters/"]},
        adopted_since={bucket: datetime(2026, 1, 15, tzinfo=UTC)},
    )
    checks = check(cloud, deployment)
    assert checks["notifications"].state is State.OK
    return checks["adopted archive"]


def test_an_adopted_bucket_is_well(cloud: Cloud) -> None:
    found = adopt(cloud)
    assert found.state is State.OK, found


@pytest.mark.parametrize(
    ("owner", "words", "remedy"),
    [
        ({"versioning": "Suspended"}, "Versioning is not enabled", "put-bucket-versioning --bucket archive"),
        ({"bus": False}, "sends no events to EventBridge", "docs/adopting.md"),
    ],
)
def test_what_the_owner_of_an_adopted_bucket_must_do_is_said(
    cloud: Cloud, owner: dict[str, Any], words: str, remedy: str
) -> None:
    found = adopt(cloud, **owner)
    assert found.state is State.BROKEN
    assert words in found.detail
    assert found.remedy.startswith("Its owner: ")
    assert remedy in found.remedy


def test_an_adopted_bucket_that_cannot_be_read_is_broken(cloud: Cloud) -> None:
    s3 = cloud.client("s3")

    def deny(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")

    s3.meta.events.register("before-call.s3.GetObject", deny)
    try:
        found = adopt(cloud)
    finally:
        s3.meta.events.unregister("before-call.s3.GetObject", deny)
    assert found.state is State.BROKEN
    assert "cannot be read: GetObject: AccessDenied" in found.detail
    assert "adopted_bucket_statements" in found.remedy


def test_an_adopted_bucket_of_another_region_is_broken(cloud: Cloud) -> None:
    where = {"CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}
    found = adopt(cloud, where=where)
    assert found.state is State.BROKEN
    assert "It is in eu-central-1" in found.detail


def write_evidence(cloud: Cloud) -> None:
    """A checkpoint, and a digest of the trail."""
    digest = f"AWSLogs/123456789012/CloudTrail-Digest/us-east-1/{datetime.now(UTC):%Y/%m/%d}/d.json.gz"
    for short, key in (("provenance", "log/checkpoint"), ("cloudtrail-log", digest)):
        cloud.client("s3").put_object(Bucket=cloud.deployment.buckets[short], Key=key, Body=b"written")


def check_copy(cloud: Cloud, *replicated: str, after: timedelta = timedelta(hours=2), **other: Any) -> Check:
    """The stage, so long after now, of a copy into which these buckets are replicated."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="copy")
    s3.put_bucket_versioning(Bucket="copy", VersioningConfiguration={"Status": "Enabled"})
    for short in replicated:
        replicate(cloud.deployment.buckets[short], "copy")
    named = {"bucket": "copy", "region": "us-east-1"}
    deployment = replace(cloud.deployment, evidence_copy=named, **other)
    return check(cloud, deployment, datetime.now(UTC) + after)["second copy"]


def test_a_copy_that_has_what_was_written_last_is_well(cloud: Cloud) -> None:
    write_evidence(cloud)
    found = check_copy(cloud, "provenance", "cloudtrail-log")
    assert found.state is State.OK, found
    assert "it has the checkpoint of " in found.detail
    assert " and the digest of the trail of " in found.detail


@pytest.mark.parametrize(
    ("replicated", "lacking"), [("provenance", "digest of the trail"), ("cloudtrail-log", "checkpoint")]
)
def test_a_copy_that_lacks_what_was_written_last_is_broken(
    cloud: Cloud, replicated: str, lacking: str
) -> None:
    write_evidence(cloud)
    found = check_copy(cloud, replicated)
    assert found.state is State.BROKEN
    assert found.detail.startswith(f"copy lacks the {lacking} of ")
    assert "custody verify --copy" in found.remedy


def test_what_replication_has_time_for_is_not_missed(cloud: Cloud) -> None:
    write_evidence(cloud)
    found = check_copy(cloud, after=timedelta(minutes=59))
    assert (found.state, found.detail) == (State.OK, "nothing is an hour old, and must be there")


def test_what_only_looks_like_log_and_trail_is_not_missed(cloud: Cloud) -> None:
    folder = f"AWSLogs/123456789012/CloudTrail-Digest/us-east-1/{datetime.now(UTC):%Y/%m/%d}/"
    for short, key in (("provenance", "log/checkpoint.bak"), ("cloudtrail-log", f"{folder}z.txt")):
        cloud.client("s3").put_object(Bucket=cloud.deployment.buckets[short], Key=key, Body=b"written")
    assert check_copy(cloud).state is State.OK


def test_a_trail_of_somebody_else_is_not_the_deployment_s_to_copy(cloud: Cloud) -> None:
    write_evidence(cloud)
    found = check_copy(cloud, "provenance", existing_trail_folder="AWSLogs/123456789012/")
    assert found.state is State.OK, found
    assert "digest" not in found.detail


def test_a_copy_that_may_not_be_read_is_unknown(cloud: Cloud) -> None:
    write_evidence(cloud)
    with refused(cloud.client("s3"), "HeadObject", 403, "403"):
        found = check_copy(cloud)
    assert found.state is State.UNKNOWN


def test_a_rule_that_the_auditor_could_not_ask_is_told(cloud: Cloud) -> None:
    last = datetime(2026, 3, 1, 6, tzinfo=UTC)
    why = "Athena ended query 11-22 as FAILED: bytes scanned limit. See aws athena get-query-execution."
    known = AuditorState(
        asked={"file-missing": last, "trail-gap": datetime(2026, 3, 2, tzinfo=UTC), "root-used": last},
        failed={
            "file-missing": why,
            "trail-gap": "There was no time left for it.",
            "a-rule-of-an-older-version": why,
        },
    )
    bucket = cloud.deployment.buckets["artifacts"]
    cloud.client("s3").put_object(Bucket=bucket, Key=STATE_KEY, Body=known.to_json())

    found = check(cloud)["auditor"]
    assert found.state is State.BROKEN
    assert found.detail == (
        "2 rules could not be asked when last due, and what they look for is not found: "
        f"file-missing since 2026-03-01T06:00:00Z: {why}; "
        "trail-gap since 2026-03-02T00:00:00Z: There was no time left for it."
    )
    assert found.remedy.endswith(": custody anomalies --rule file-missing --rule trail-gap")


def test_what_the_auditor_cannot_have_written_is_told(cloud: Cloud) -> None:
    bucket = cloud.deployment.buckets["artifacts"]
    for body in (b"", b"{}", b"{" * 100_000):
        cloud.client("s3").put_object(Bucket=bucket, Key=STATE_KEY, Body=body)
        assert check(cloud)["auditor"].state is State.BROKEN
