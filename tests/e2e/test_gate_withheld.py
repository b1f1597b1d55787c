"""What the gate withholds and the jobs refuse, end to end; and how it is resolved.

It runs after test_etl.py, so that the object without a receipt is past the watermark, and before
test_object.py, which needs a pipeline without withheld objects.
"""

from __future__ import annotations

import json
import time

import pytest

from custody.evidence.objects import ObjectVersion
from scripts.demo.lake import Lake
from scripts.demo.pipeline import Pipeline, PipelineError
from tests.e2e.conftest import Made, drop_customer, tamper

pytestmark = pytest.mark.xdist_group("pipeline")


def test_what_is_not_proven_is_left_named_and_alarmed(pipeline: Pipeline, lake: Lake, made: Made) -> None:
    """Without a receipt, with a changed one, and with bytes changed later: none is processed."""
    replaced = drop_customer(pipeline, "incoming/customers/2026-01-18.csv", 77001)
    honest = drop_customer(pipeline, "incoming/customers/2026-01-19.csv", 77002)
    pipeline.await_receipts([replaced, honest])
    tamper(pipeline, replaced, "flip_byte", offset=150)
    time.sleep(max(0.0, made.pending_until - time.time()))

    with pytest.raises(PipelineError, match=r"2026-01-18\.csv"):
        lake.process()
    lake.process()

    ids = {str(row["customer_id"]) for row in lake.query("SELECT customer_id FROM customers")}
    assert "C77002" in ids
    assert not ids & {"C77001", "C66001", "C66002"}
    told = " ".join(made.alerts())
    for version in (replaced, made.bereft, made.forged):
        assert version.key in told
    latest = lake.documents("processed", "customers")[-1]
    assert [found["key"] for found in latest["refused"]] == [replaced.key]
    assert replaced.key not in {found["key"] for found in latest["inputs"]}


def test_what_is_proven_later_is_let_through_and_the_gate_says_so(
    pipeline: Pipeline, lake: Lake, made: Made
) -> None:
    """After the previous test: one object gets its receipt, the other is deleted."""
    done = pipeline.custody("record", made.bereft.uri)
    assert done.returncode == 0, done.stderr
    pipeline.client("s3").delete_object(
        Bucket=made.forged.bucket, Key=made.forged.key, VersionId=made.forged.version_id
    )
    lake.process()
    (row,) = lake.query(
        "SELECT count_if(customer_id = 'C66001') AS later, count_if(customer_id = 'C66002') AS never "
        "FROM customers"
    )
    assert (row["later"], row["never"]) == (1, 0)
    # What a job withheld is reported until it is replaced or decided upon.
    last = made.alerts()[-1]
    assert "withholds 1 object version of the table customers" in last
    assert "2026-01-18.csv" in last
    assert made.bereft.key not in last
    assert made.forged.key not in last


def test_a_data_engineers_decision_ends_what_is_withheld(pipeline: Pipeline, lake: Lake, made: Made) -> None:
    """After the previous test: the object that a job withheld is dismissed by a recorded decision."""
    refused = {
        (found["bucket"], found["key"], found["version_id"])
        for document in lake.documents("processed", "customers")
        for found in document["refused"]
    }
    names = ("bucket", "key", "version_id")
    decision = {
        "type": "urn:custody:decision:v1",
        "table": "customers",
        "action": "dismiss",
        "reason": "Its bytes are not those of its receipt.",
        "versions": [dict(zip(names, each, strict=True)) for each in sorted(refused)],
    }
    bucket, key = pipeline.deployment.buckets["processed"], "decisions/customers/dismissed.json"
    body = json.dumps(decision).encode()
    engineer = pipeline.client(
        "s3", role_arn=pipeline.roles["people-data-engineer"], session="erin@example.com"
    )
    put = engineer.put_object(Bucket=bucket, Key=key, Body=body, IfNoneMatch="*")
    pipeline.await_receipts([ObjectVersion(bucket, key, put["VersionId"])])
    lake.process()
    assert "has been handed out, decided upon" in made.alerts()[-1]


def test_a_run_that_is_stopped_is_made_good(pipeline: Pipeline, lake: Lake, made: Made) -> None:
    version = drop_customer(pipeline, "incoming/customers/2026-01-20.csv", 55001)
    pipeline.await_receipts([version])
    started = lake.gate(table="customers")["tables"]["customers"]
    job = pipeline.deployment.jobs["raw-to-processed-customers"]
    glue = pipeline.client("glue")
    glue.batch_stop_job_run(JobName=job, JobRunIds=[started["job_run_id"]])
    while glue.get_job_run(JobName=job, RunId=started["job_run_id"])["JobRun"]["JobRunState"] != "STOPPED":
        time.sleep(0.1)

    again = lake.gate(table="customers")["tables"]["customers"]
    assert again["handed_over"] == started["handed_over"] is not None
    lake.process()
    documents = lake.documents("processed", "customers")
    assert [d["manifest"]["uri"] for d in documents].count(started["handed_over"]) == 1
    (row,) = lake.query("SELECT count(*) AS n FROM customers WHERE customer_id = 'C55001'")
    assert row["n"] == 1
