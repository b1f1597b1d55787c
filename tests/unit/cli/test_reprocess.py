"""``custody table reprocess``: what is asked to be judged again, once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from custody.etl.manifest import Entry
from custody.gate import reprocess
from custody.gate.decisions import parse_decision
from custody.gate.receipts import Reason
from tests.support.lake import Lake
from tests.unit.cli.test_commands import Told, lake_of
from tests.unit.cloud import Cloud, deployed, write_deployment

TODAY, BEFORE = "d1" * 32, "d0" * 32
JOB = "custody-local-raw-to-processed-customers"
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    with deployed(monkeypatch) as plain:
        tables = {"customers": [], "visits": [], "customer_value": ["customers", "visits"]}
        cloud = replace(plain, deployment=replace(plain.deployment, tables=tables))
        monkeypatch.setenv("CUSTODY_DEPLOYMENT", str(write_deployment(cloud, tmp_path)))
        monkeypatch.setenv("COLUMNS", "200")
        goes_by(cloud, TODAY)
        yield cloud


def goes_by(cloud: Cloud, contract_sha256: str) -> None:
    glue = cloud.client("glue")
    job = glue.get_job(JobName=JOB)["Job"]
    glue.delete_job(JobName=JOB)
    arguments = {"--contract_sha256": contract_sha256}
    glue.create_job(Name=JOB, Role=job["Role"], Command=job["Command"], DefaultArguments=arguments)


def ran(
    lake: Lake,
    version: int,
    *,
    fine: Sequence[Entry] = (),
    rejected: Sequence[Entry] = (),
    withheld: Sequence[Entry] = (),
    contract: str = BEFORE,
) -> None:
    """A run, with what it published, of what it rejected rows, and what it withheld."""
    inputs = [
        asdict(entry.version)
        | {"sha256": entry.sha256, "size_bytes": 1, "rows": 2, "valid": 1, "duplicates": 0}
        | {"rejected": int(entry in rejected), "decision": entry.decision}
        for entry in (*fine, *rejected)
    ]
    held = [asdict(entry.version) | {"sha256": entry.sha256, "reason": "Too few rows."} for entry in withheld]
    every = [*fine, *rejected, *withheld]
    lake.silver("customers", version, [], named=every, inputs=inputs, withheld=held, contract_sha256=contract)


def report(cloud: Cloud, *entries: Entry, reason: str = Reason.CONTRACT) -> None:
    named = [asdict(entry.version) | {"reason": reason, "detail": ""} for entry in entries]
    document = {"type": "urn:custody:withheld:v1", "table": "customers", "number": 1, "withheld": named}
    cloud.put("manifests/customers/_withheld/0000000001.json", json.dumps(document).encode(), "processed")


def decisions(cloud: Cloud) -> dict[str, dict[str, Any]]:
    s3, bucket = cloud.client("s3"), cloud.deployment.buckets["processed"]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="decisions/").get("Contents", [])
    return {
        f"s3://{bucket}/{item['Key']}": json.loads(
            s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        )
        for item in listed
    }


def test_what_another_contract_withheld_or_rejected_is_asked_for_once(cloud: Cloud, capsys: Capture) -> None:
    lake = lake_of(cloud)
    names = ("fine", "bad", "mended", "held", "replaced", "gone", "judged")
    fine, bad, mended, held, replaced, gone, judged = (lake.raw(f"incoming/{name}") for name in names)
    ran(lake, 1, fine=[fine], rejected=[bad, mended, judged], withheld=[held, replaced, gone])
    ran(lake, 2, fine=[replace(mended, decision="s3://d")])
    ran(lake, 3, rejected=[replace(judged, decision="s3://d")], contract=TODAY)
    report(cloud, held)

    told = Told(capsys, "table", "reprocess", "customers", "--format", "json")
    assert told.status == 0, told.err
    ((uri, decision),) = decisions(cloud).items()
    assert told.document == {
        "table": "customers",
        "contract_sha256": TODAY,
        "withheld": 1,
        "rejected": 1,
        "waiting": 0,
        "decisions": [uri],
        "problems": [],
    }
    action, versions = parse_decision(json.dumps(decision).encode(), "customers", "decision")
    assert (action, versions) == ("reprocess", {bad.version: False, held.version: True})
    assert TODAY in decision["reason"]

    told = Told(capsys, "table", "reprocess", "customers")
    assert told.status == 0
    assert told.lines[0] == "2 object versions asked for before, not judged yet."
    assert told.lines[1].startswith("Nothing else to do: ")
    assert [*decisions(cloud)] == [uri]

    ran(lake, 4, fine=[replace(bad, decision=uri), replace(held, decision=uri)], contract=TODAY)
    told = Told(capsys, "table", "reprocess", "customers")
    assert (told.status, len(told.lines)) == (0, 1)
    assert told.lines[0].startswith("Nothing to do: its contract of today has judged everything")

    goes_by(cloud, "d2" * 32)
    told = Told(capsys, "table", "reprocess", "customers")
    assert "0 withheld object versions, and 1 object version with rejected rows" in told.lines[0]
    assert len(decisions(cloud)) == 2


def test_a_contract_of_before_is_asked_for_again_when_it_is_back(cloud: Cloud, capsys: Capture) -> None:
    lake = lake_of(cloud)
    some = lake.raw("incoming/some")
    ran(lake, 1, rejected=[some])
    known: set[str] = set()
    for number, contract in enumerate([TODAY, BEFORE, TODAY, BEFORE], 1):
        goes_by(cloud, contract)
        for written in (number, number):
            assert Told(capsys, "table", "reprocess", "customers").status == 0
            assert len(decisions(cloud)) == written
        (newest,) = decisions(cloud).keys() - known
        known.add(newest)
        ran(lake, number + 1, rejected=[replace(some, decision=f"{newest}?versionId=v")], contract=contract)


def test_many_versions_are_asked_for_in_decisions_of_a_size(
    cloud: Cloud, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reprocess, "MAX_DECISION_BYTES", 1400)
    lake = lake_of(cloud)
    entries = [lake.raw(f"incoming/{number}") for number in range(7)]
    ran(lake, 1, rejected=entries)
    assert Told(capsys, "table", "reprocess", "customers").status == 0
    found = decisions(cloud)
    assert len(found) > 1
    assert all(len(json.dumps(each, separators=(",", ":"))) <= 1400 for each in found.values())
    named = [item["key"] for each in found.values() for item in each["versions"]]
    assert sorted(named) == [f"incoming/{number}" for number in range(7)]


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("orders", 2, "There is no table 'orders'. There are customers, visits."),
        ("customer_value", 2, "is made from other tables, and has nothing withheld or rejected"),
        ("visits", 2, "The deployment file has no raw-to-processed-visits"),
    ],
)
def test_a_table_that_cannot_be_asked_for_is_told(
    cloud: Cloud, capsys: Capture, name: str, status: int, words: str
) -> None:
    told = Told(capsys, "table", "reprocess", name)
    assert (told.status, told.out) == (status, "")
    assert words in told.err
    assert not decisions(cloud)


def test_a_job_that_does_not_tell_its_contract_is_not_guessed_at(cloud: Cloud, capsys: Capture) -> None:
    goes_by(cloud, "")
    told = Told(capsys, "table", "reprocess", "customers")
    assert told.status == 3
    assert "does not say which contract it goes by. Run make apply." in told.err


def test_a_document_that_is_none_is_told_and_the_rest_is_asked_for(cloud: Cloud, capsys: Capture) -> None:
    lake = lake_of(cloud)
    ran(lake, 1, rejected=[lake.raw("incoming/a")])
    cloud.put(f"tables/customers/_lineage/{2:020d}-{'0' * 64}.json", b"{}\x1b[2J", "processed")
    told = Told(capsys, "table", "reprocess", "customers")
    assert told.status == 1
    assert "is not a lineage document" in told.err
    assert "\x1b" not in told.err + told.out
    assert len(decisions(cloud)) == 1
