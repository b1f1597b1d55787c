"""An invocation of the gate: tables, gold, withheld versions, and failures."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import asdict, replace
from datetime import date, timedelta
from typing import Any

import pytest

from custody.errors import CannotCheckError, EvidenceError, UsageError
from custody.evidence.objects import ObjectVersion
from custody.gate import manifests as gate_manifests
from custody.gate import table as gate_table
from custody.gate import withheld as gate_withheld
from custody.gate.receipts import Reason
from custody.gate.requests import (
    MAX_DAYS,
    GoldTable,
    LookAtGold,
    LookAtTables,
    RemakeDays,
    SilverDone,
    SilverTable,
    parse_event,
    parse_tables,
)
from tests.unit.gate_world import (
    ENGINEER,
    ETL,
    GATE,
    INSIDER,
    SETTINGS,
    CrashError,
    GateWorld,
    Lifeline,
)

CUSTOMERS, EVENTS = "incoming/customers/", "incoming/stream/"
IDLE = {
    "manifest": None,
    "entries": 0,
    "bytes": 0,
    "withheld": 0,
    "pending": 0,
    "waiting": None,
    "handed_over": None,
    "job_run_id": None,
    "state": "idle",
}
QUARTER = timedelta(minutes=15)
PINNED = {"--versions": "customers@0,viewing_events@0"}


@pytest.fixture
def world() -> GateWorld:
    return GateWorld()


def silver_done(job: str = "silver-customers", **changes: Any) -> dict[str, Any]:
    """As Amazon EventBridge has it (AWS Glue Developer Guide, "Automating AWS Glue with EventBridge")."""
    detail = {"jobName": job, "severity": "INFO", "state": "SUCCEEDED", "jobRunId": "jr_1", "message": "done"}
    return {
        "version": "0",
        "id": "abcdef00-1234-5678-9abc-def012345678",
        "detail-type": "Glue Job State Change",
        "source": "aws.glue",
        "account": "123456789012",
        "time": "2026-11-20T13:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": detail | changes,
    }


def silver_is_made(world: GateWorld) -> dict[str, ObjectVersion]:
    """Both silver tables have a lineage document."""
    return {name: world.publish("processed", name, "ab" * 32) for name in SETTINGS.silver}


def gold_is_made(world: GateWorld, *versions: int) -> None:
    """Gold made from silver at these versions."""
    inputs = [
        {"table": f"s3://processed/tables/{name}", "delta_version": version}
        for name, version in zip(SETTINGS.silver, versions, strict=True)
    ]
    world.publish("analytics", "customer_value", "cd" * 32, inputs=inputs)


@pytest.mark.parametrize(
    ("event", "request_"),
    [
        ({}, LookAtTables(("customers", "viewing_events"), by_schedule=True)),
        ({"table": "customers"}, LookAtTables(("customers",), by_schedule=False)),
        ({"table": "customer_value"}, LookAtGold("customer_value")),
        ({"days": ["2026-01-15"]}, RemakeDays((date(2026, 1, 15),))),
        (
            {"days": ["2026-01-16", "2026-01-15", "2026-01-16"]},
            RemakeDays((date(2026, 1, 15), date(2026, 1, 16))),
        ),
        (silver_done(), SilverDone("customers")),
    ],
)
def test_a_call_asks_for_one_thing(event: object, request_: object) -> None:
    assert parse_event(event, SETTINGS.silver, SETTINGS.gold) == request_


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (None, "does not know the event null"),
        ([], "does not know"),
        ("customers", "does not know"),
        ({"tables": ["customers"]}, "does not know"),
        ({"table": "customers", "days": ["2026-01-15"]}, "does not know"),
        ({"table": "customers", "force": True}, "does not know"),
        ({"table": None}, "does not know"),
        ({"table": "orders"}, "no table 'orders'. There are customers, viewing_events, customer_value"),
        ({"table": "\x1b[2J"}, r"no table '\\x1b\[2J'"),
        ({"days": "2026-01-15"}, "does not know"),
        ({"days": []}, "not 0"),
        ({"days": ["2026-01-15"] * (MAX_DAYS + 1)}, f"not {MAX_DAYS + 1}"),
        ({"days": ["20260115"]}, '"20260115" is not a day'),
        ({"days": ["2026-02-30"]}, "is not a day"),
        ({"days": ["2026-01-15", 3]}, "3 is not a day"),
        ({"days": ["--extra-py-files"]}, "is not a day"),
        (silver_done("gold"), "does not make a silver table"),
        (silver_done(state="FAILED"), "does not know"),
        (silver_done() | {"detail-type": "Other"}, "does not know"),
        (silver_done() | {"detail": None}, "does not know"),
    ],
)
def test_a_call_that_asks_for_nothing_is_told_so(world: GateWorld, event: object, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        world.gate().run(event, lambda: 900)
    assert world.runs == []


def packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode())).decode()


def test_the_list_of_tables_is_read_strictly() -> None:
    text = (
        '{"silver": [{"table": "a", "job": "j", "prefix": "p/"}], '
        '"gold": [{"table": "b", "job": "k", "inputs": "a,c"}]}'
    )
    assert parse_tables(packed(text)) == ({"a": SilverTable("j", "p/")}, {"b": GoldTable("k", ("a", "c"))})
    for old, new in (("silver", "iron"), ('"j"', '""'), ("prefix", "place"), ("inputs", "of"), ("}]}", "}]")):
        with pytest.raises(EvidenceError, match="list of tables"):
            parse_tables(packed(text.replace(old, new)))
    for other in (
        "",
        "?",
        text,
        packed(text)[:-8],
        base64.b64encode(text.encode()).decode(),
        packed(" " * 2**21),
    ):
        with pytest.raises(EvidenceError, match="list of tables"):
            parse_tables(other)


def test_what_arrived_is_handed_to_the_job_of_its_table(world: GateWorld) -> None:
    customers = [world.arrive(f"{CUSTOMERS}2026-01-1{day}.csv") for day in range(4)]
    event = world.arrive(f"{EVENTS}2026/01/15/00/part-1")
    world.arrive("incoming/other/a.csv")

    answer = world.call()

    (run, other) = world.runs
    (manifest,) = world.manifests()
    assert sorted(world.handed_out()) == sorted(customers)
    assert world.handed_out("viewing_events") == [event]
    assert manifest.entries[0].size_bytes == 8
    (stored,) = world.objects["processed", "manifests/customers/0000000001.json"]
    uri = f"s3://processed/manifests/customers/0000000001.json?versionId={stored.version_id}"
    assert answer["tables"]["customers"] == IDLE | {
        "manifest": uri,
        "entries": 4,
        "bytes": 32,
        "waiting": uri,
        "handed_over": uri,
        "job_run_id": run["Id"],
        "state": "started",
    }
    assert answer["gold"]["customer_value"] == {"job_run_id": None, "state": "idle"}
    assert (run["JobName"], run["Arguments"]) == ("silver-customers", {"--manifest": uri})
    assert other["JobName"] == "silver-events"
    assert world.counted() == {
        "VersionsVerified": 5,
        "VersionsPending": 0,
        "VersionsWithheld": 0,
        "RowsRejected": 0,
        "NewColumns": 0,
        "TableWait": 0,
        "JobsStarted": 2,
    }
    assert world.messages == []
    assert json.loads(json.dumps(answer)) == answer


def test_old_versions_and_those_under_a_delete_marker_arrived_too(world: GateWorld) -> None:
    versions = [world.arrive(f"{CUSTOMERS}a.csv", body) for body in (b"1", b"2", b"3")]
    world.put("raw", f"{CUSTOMERS}a.csv", None)
    world.call()
    assert sorted(world.handed_out()) == sorted(versions)


def test_nothing_new_is_nothing_to_do(world: GateWorld) -> None:
    version = world.arrive(f"{CUSTOMERS}a.csv")
    world.call()
    world.finish("silver-customers")
    world.counted()
    world.refused[version.receipt_key] = "AccessDenied"  # it is not requested again
    assert world.call()["tables"]["customers"] == IDLE
    assert world.counted() == {
        "VersionsVerified": 0,
        "VersionsPending": 0,
        "VersionsWithheld": 0,
        "RowsRejected": 0,
        "NewColumns": 0,
        "TableWait": 0,
        "JobsStarted": 0,
        "JobRunTime": 0,  # the run that has just ended
    }


def test_how_long_a_table_waits_and_a_run_takes_is_measured(world: GateWorld) -> None:
    hours = timedelta(hours=1)
    for key in (f"{CUSTOMERS}a.csv", f"{EVENTS}a.gz"):
        world.arrive(key)
    world.call()
    world.counted()
    world.now += 2 * hours
    world.call()
    # the manifests of two tables, and the two runs, begun by the first call
    counted = world.counted()
    assert (counted["TableWait"], counted["JobRunTime"]) == (4 * 3600, 4 * 3600)
    for job in ("silver-customers", "silver-events"):
        world.finish(job)
    world.call(silver_done())
    world.finish("gold", "FAILED", publishes=False)
    world.counted()
    world.now += 30 * hours
    world.call()
    counted = world.counted()
    assert (counted["TableWait"], "JobRunTime" in counted) == (30 * 3600, False)
    world.finish("gold")
    gold_is_made(world, 0, 0)
    world.call()
    assert world.counted()["TableWait"] == 0


def test_a_run_that_begins_and_ends_between_two_looks_is_measured_once(world: GateWorld) -> None:
    for key in (f"{CUSTOMERS}a.csv", f"{EVENTS}a.gz"):
        world.arrive(key)
    world.call()
    world.counted()
    world.now += timedelta(minutes=9)
    for job in ("silver-customers", "silver-events"):
        world.finish(job)
    world.call(silver_done())
    assert world.counted()["JobRunTime"] == 9 * 60
    world.now += timedelta(minutes=7)
    world.finish("gold")
    gold_is_made(world, 0, 0)
    measured = []
    for minutes in (8, 15, 15):
        world.now += timedelta(minutes=minutes)
        world.call()
        measured.append(world.counted().get("JobRunTime"))

    assert measured == [7 * 60, None, None]


def test_while_the_job_runs_the_next_manifest_waits(world: GateWorld) -> None:
    world.arrive(f"{CUSTOMERS}a.csv")
    world.call()
    world.arrive(f"{CUSTOMERS}b.csv")
    answer = world.call()["tables"]["customers"]
    assert (answer["state"], answer["handed_over"], answer["entries"]) == ("running", None, 1)
    assert "0000000001" in answer["waiting"]
    assert world.call()["tables"]["customers"]["waiting"] == answer["waiting"]  # with nothing new, too
    assert answer["job_run_id"] == world.runs[0]["Id"]
    world.finish("silver-customers")

    # the backlog does not wait for the schedule
    answer = world.call(silver_done())["tables"]["customers"]
    assert (answer["state"], "0000000002" in answer["handed_over"]) == ("started", True)
    world.finish("silver-customers")
    assert world.call(silver_done())["tables"]["customers"]["state"] == "idle"


def test_a_run_that_another_gate_started_just_now_is_a_run(world: GateWorld) -> None:
    """Two concurrent gates: both see the job idle, AWS Glue lets one start it."""
    world.arrive(f"{CUSTOMERS}a.csv")
    world.call()
    world.finish("silver-customers", "STOPPED", publishes=False)
    world.now += timedelta(days=2)
    count = Lifeline()
    world.call({"table": "customers"}, lifeline=count)  # its last call is that which starts the job
    world.finish("silver-customers", "STOPPED", publishes=False)

    late = Lifeline(before={count.calls: lambda: world.call({"table": "customers"}) and None})
    answer = world.call({"table": "customers"}, lifeline=late)["tables"]["customers"]
    assert (answer["state"], answer["handed_over"], answer["job_run_id"]) == ("running", None, None)
    assert sum(run["JobRunState"] == "RUNNING" for run in world.runs) == 1


@pytest.mark.parametrize("state", ["FAILED", "TIMEOUT", "ERROR", "STOPPED", "SUCCEEDED"])
def test_a_manifest_that_is_not_done_is_tried_again_after_growing_pauses(
    world: GateWorld, state: str
) -> None:
    """Whatever AWS Glue says about the run: without the lineage document the manifest is not done."""
    world.arrive(f"{CUSTOMERS}a.csv")
    tried = []
    for minutes in range(0, 26 * 60, 15):
        world.call()
        if world.running("silver-customers"):
            tried.append(minutes)
            world.finish("silver-customers", state, publishes=False)
        world.now += QUARTER
    assert tried == [0, 15, 45, 90, 180, 345, 675, 1320]
    assert len({run["Arguments"]["--manifest"] for run in world.runs}) == 1


def test_the_pause_is_a_day_at_most(world: GateWorld) -> None:
    world.arrive(f"{CUSTOMERS}a.csv")
    for _ in range(40):
        world.call()
        world.finish("silver-customers", "FAILED", publishes=False)
        world.now += timedelta(days=1)
    assert len(world.runs) == 40


def test_whoever_names_the_table_does_not_wait(world: GateWorld) -> None:
    world.arrive(f"{CUSTOMERS}a.csv")
    for _ in range(5):
        world.call({"table": "customers"})
        world.finish("silver-customers", "FAILED", publishes=False)
    assert len(world.runs) == 5
    assert world.call()["tables"]["customers"]["state"] == "idle"


def test_a_manifest_that_fails_for_ever_keeps_no_other_back(world: GateWorld) -> None:
    world.arrive(f"{CUSTOMERS}poison.csv")
    world.call()
    poison = world.runs[0]["Arguments"]
    done = 0
    for number in range(20):
        world.arrive(f"{CUSTOMERS}{number}.csv")
        world.call()
        run = world.running("silver-customers")
        if run is not None and run["Arguments"] == poison:
            world.finish("silver-customers", "FAILED", publishes=False)
            world.call(silver_done())
            run = world.running("silver-customers")
        if run is not None:
            world.finish("silver-customers")
            done += 1
        world.now += QUARTER
    assert done == 20
    assert 3 < sum(run["Arguments"] == poison for run in world.runs) < 8


def test_what_is_withheld_is_told_once(world: GateWorld, caplog: pytest.LogCaptureFixture) -> None:
    good = world.arrive(f"{CUSTOMERS}good.csv")
    bad = world.arrive(f"{CUSTOMERS}bad\x1b[2J\n.csv")
    world.put("provenance", bad.receipt_key, b"{}")
    young = world.arrive(f"{CUSTOMERS}young.csv", recorded=False)

    answer = world.call()["tables"]["customers"]
    assert (answer["entries"], answer["withheld"], answer["pending"]) == (1, 1, 1)
    assert world.handed_out() == [good]
    assert world.report() == {bad: Reason.UNREADABLE}
    ((subject, message),) = world.messages
    assert subject == "custody: the gate withholds 1 object version of customers"
    assert f"{bad.uri}: receipt cannot be read\n" in message
    assert "\x1b" not in message
    (line,) = [line for line in caplog.records if line.getMessage() == "VersionWithheld"]
    assert (line.__dict__["object"], line.__dict__["reason"]) == (bad.uri, Reason.UNREADABLE)
    assert world.counted()["VersionsWithheld"] == 1

    world.call()
    assert len(world.messages) == 1
    assert world.counted()["VersionsWithheld"] == 1

    world.now += timedelta(hours=2)
    world.call()
    assert world.report() == {bad: Reason.UNREADABLE, young: Reason.NO_RECEIPT}
    assert "2 object versions" in world.messages[1][0]
    assert "New since the last report: 1." in world.messages[1][1]
    assert world.messages[1][1].index(young.uri) < world.messages[1][1].index(bad.uri)

    world.record(young)
    del world.objects["provenance", bad.receipt_key]
    world.record(bad)
    answer = world.call()["tables"]["customers"]
    assert (answer["entries"], answer["withheld"]) == (2, 0)
    assert world.report() == {}
    assert "no longer withholds" in world.messages[2][0]
    assert sorted(world.handed_out()) == sorted([good, bad, young])


def test_a_message_names_the_first_and_counts_the_others(
    world: GateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_withheld, "NAMED", 2)
    for name in "abcde":
        world.arrive(f"{CUSTOMERS}{name}", recorded=False)
    world.now += timedelta(hours=2)
    world.call()
    assert world.messages[0][1].count("no receipt\n") == 2
    assert "and 3 more" in world.messages[0][1]
    assert len(world.report()) == 5


def test_a_gate_that_stops_after_its_message_sends_it_again(world: GateWorld) -> None:
    world.arrive(f"{CUSTOMERS}a", recorded=False)
    world.now += timedelta(hours=2)
    calls = 0
    while not world.messages:
        calls += 1
        with pytest.raises(CrashError):
            world.call(lifeline=Lifeline(calls, after=True))
    assert [key for _, key in world.objects if "_withheld" in key] == []
    world.call()
    world.call()
    assert len(world.messages) == 2
    assert len(world.report()) == 1


def test_a_version_that_is_no_more_is_withheld_no_more(world: GateWorld) -> None:
    gone = world.arrive(f"{CUSTOMERS}a", recorded=False)
    world.now += timedelta(hours=2)
    world.call()
    del world.objects["raw", gone.key]
    assert world.call()["tables"]["customers"]["withheld"] == 0
    assert world.report() == {}


def test_a_version_that_cannot_be_checked_keeps_no_other_back(world: GateWorld) -> None:
    good = [world.arrive(f"{CUSTOMERS}{name}") for name in "abc"]
    bad = world.arrive(f"{CUSTOMERS}bad")
    world.refused[bad.receipt_key] = "AccessDenied"
    with pytest.raises(
        CannotCheckError, match=r"customers: 1 object versions could not be checked.*bad.*AccessD"
    ):
        world.call()
    assert sorted(world.handed_out()) == good
    assert world.running("silver-customers") is not None
    assert world.counted()["VersionsWithheld"] == 0
    del world.refused[bad.receipt_key]
    world.call()
    assert sorted(world.handed_out()) == sorted([*good, bad])


def test_a_version_that_was_withheld_and_cannot_be_checked_is_still_withheld(world: GateWorld) -> None:
    withheld = world.arrive(f"{CUSTOMERS}a", recorded=False)
    world.now += timedelta(hours=2)
    world.call()
    world.refused[withheld.receipt_key] = "SlowDown"
    with pytest.raises(CannotCheckError, match="SlowDown"):
        world.call()
    assert world.report() == {withheld: Reason.NO_RECEIPT}
    assert len(world.messages) == 1


def test_after_too_many_errors_the_others_are_not_tried(
    world: GateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_table, "MAX_ERRORS", 2)
    monkeypatch.setattr(gate_table, "MAX_ENTRIES", 4)
    for number in range(60):
        world.refused[world.arrive(f"{CUSTOMERS}{number:02d}").receipt_key] = "SlowDown"
    with pytest.raises(CannotCheckError, match=r"customers: [2-4] object versions could not be checked"):
        world.call()


def test_one_table_that_fails_keeps_no_other_back(world: GateWorld) -> None:
    world.put("processed", "manifests/customers/README", b"hello")
    event = world.arrive(f"{EVENTS}a")
    with pytest.raises(CannotCheckError, match=r"^customers: [^:]*:[^:]*README[^:]*$"):
        world.call()
    assert world.handed_out("viewing_events") == [event]
    assert world.running("silver-events") is not None


def test_without_a_registry_nothing_is_done(world: GateWorld) -> None:
    world.arrive(f"{CUSTOMERS}a")
    world.put("provenance", "keys/registry.json", b"{}")
    with pytest.raises(EvidenceError, match="keys is not a list"):
        world.call()
    assert world.handed_out() == []


def test_a_call_without_time_says_that_the_listing_did_not_end(world: GateWorld) -> None:
    for number in range(5):
        world.arrive(f"{CUSTOMERS}{number}")
    gate = world.gate()
    clock = iter([900.0])
    with pytest.raises(CannotCheckError, match="did not finish in time"):
        gate.run({"table": "customers"}, lambda: next(clock, 0.0))
    assert world.handed_out() == []
    world.call()
    assert len(world.handed_out()) == 5


def test_a_backlog_is_handed_out_as_far_as_time_allows(
    world: GateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_table, "MAX_ENTRIES", 4)
    monkeypatch.setattr(gate_table, "_LOOK_AT_CLOCK_EVERY", 1)
    versions = [world.arrive(f"{CUSTOMERS}{number:02d}") for number in range(10)]
    asked = 0

    def remaining() -> float:
        nonlocal asked
        asked += 1
        return 900.0 if asked < 12 else 0.0

    answer = world.gate().run({"table": "customers"}, remaining)["tables"]["customers"]
    assert answer["entries"] == 4
    assert world.handed_out() == versions[:4]
    world.call()
    assert sorted(world.handed_out()) == versions


def test_what_was_not_checked_is_not_passed_over_in_silence(
    world: GateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time runs out while one batch is checked; the listing is still completed."""
    monkeypatch.setattr(gate_table, "MAX_ENTRIES", 2)
    versions = [world.arrive(f"{CUSTOMERS}{number}") for number in range(3)]
    asked = 0

    def remaining() -> float:
        nonlocal asked
        asked += 1
        return 0.0 if asked in {3, 4} else 900.0

    with pytest.raises(CannotCheckError, match="did not finish in time"):
        world.gate().run({"table": "customers"}, remaining)
    assert len(world.handed_out()) < 3
    world.call()
    assert sorted(world.handed_out()) == versions


def test_what_was_withheld_before_never_keeps_back_what_is_new(
    world: GateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invocation that runs out of time keeps their earlier results."""
    withheld = [world.arrive(f"{CUSTOMERS}a{number}", recorded=False) for number in range(8)]
    world.now += timedelta(hours=2)
    world.call()
    monkeypatch.setattr(gate_table, "_LOOK_AT_CLOCK_EVERY", 1)
    new = world.arrive(f"{CUSTOMERS}z")
    asked = 0

    def remaining() -> float:
        nonlocal asked
        asked += 1
        return 900.0 if asked < 13 else 0.0

    answer = world.gate().run({"table": "customers"}, remaining)["tables"]["customers"]
    assert world.handed_out() == [new]
    assert answer["withheld"] == 8
    assert world.report() == dict.fromkeys(withheld, Reason.NO_RECEIPT)
    assert len(world.messages) == 1


def test_what_a_call_did_not_come_to_is_withheld_as_before(world: GateWorld) -> None:
    withheld = world.arrive(f"{CUSTOMERS}a", recorded=False)
    world.now += timedelta(hours=2)
    world.call()
    with pytest.raises(CannotCheckError, match="did not finish in time"):
        world.gate().run({"table": "customers"}, iter([900.0, *[0.0] * 1000]).__next__)
    assert world.report() == {withheld: Reason.NO_RECEIPT}
    assert len(world.messages) == 1


def test_summaries_are_written_as_manifests_add_up(world: GateWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_manifests, "FOLD_MANIFESTS", 3)
    summary = ("processed", "manifests/customers/_seen/0000000003.bin")
    for number in range(3):
        assert summary not in world.objects
        world.arrive(f"{CUSTOMERS}{number}")
        world.call()
    assert summary in world.objects


def test_no_number_of_withheld_versions_keeps_back_a_new_one(
    world: GateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_withheld, "MAX_NAMED", 3)
    monkeypatch.setattr(gate_table, "MAX_AGAIN", 4)
    monkeypatch.setattr(gate_table, "MAX_ENTRIES", 2)
    bad = [world.arrive(f"{CUSTOMERS}{number:02d}", recorded=False) for number in range(20)]
    world.now += timedelta(hours=2)
    assert world.call()["tables"]["customers"]["withheld"] == 20
    assert len(world.report()) == 3
    good = world.arrive(f"{CUSTOMERS}zz")
    for _ in range(3):
        assert world.call()["tables"]["customers"]["withheld"] == 20
        assert world.handed_out() == [good]
    assert len(world.messages) == 1
    for version in bad:
        world.record(version)
    calls = 0
    while world.call()["tables"]["customers"]["withheld"]:
        calls += 1
        assert calls < 200
    assert sorted(world.handed_out()) == sorted([*bad, good])


def test_what_is_archived_is_withheld_at_once_and_by_its_name(world: GateWorld) -> None:
    cold = world.arrive(f"{CUSTOMERS}cold.csv", recorded=False, storage_class="GLACIER")
    colder = world.arrive(f"{CUSTOMERS}colder.csv", storage_class="DEEP_ARCHIVE")
    near = world.arrive(f"{CUSTOMERS}near.csv", storage_class="STANDARD_IA")
    world.call()
    assert world.report() == {cold: Reason.ARCHIVED, colder: Reason.ARCHIVED}
    assert world.handed_out() == [near]


def test_reports_under_their_old_name_are_read_and_odd_objects_are_none(world: GateWorld) -> None:
    left = world.arrive(f"{CUSTOMERS}a", recorded=False)
    world.now += timedelta(hours=2)
    named = {"bucket": "raw", "key": left.key, "version_id": left.version_id, "reason": "no receipt"}
    document = {"type": "urn:custody:left:v1", "number": 7, "left": [named | {"detail": ""}]}
    world.put("processed", "manifests/customers/_left/0000000007.json", json.dumps(document).encode())
    world.put("processed", "manifests/customers/_left/zzz.json", b"{}")
    assert world.call()["tables"]["customers"]["withheld"] == 1
    assert world.messages == []
    world.put("processed", "manifests/customers/_withheld/zzz.json", b"{}")
    world.record(left)
    world.call()
    assert "no longer withholds" in world.messages[0][0]
    assert ("processed", "manifests/customers/_withheld/0000000008.json") in world.objects


def test_a_report_that_is_none_keeps_nothing_back(world: GateWorld) -> None:
    world.put("processed", "manifests/customers/_withheld/0000000001.json", b"{}")
    good = world.arrive(f"{CUSTOMERS}a")
    assert world.call()["tables"]["customers"]["entries"] == 1
    assert world.handed_out() == [good]
    assert world.counted()["DocumentsRefused"] == 1


def job_withholds(world: GateWorld, version: ObjectVersion, kind: str = "withheld", **facts: Any) -> None:
    """The job of the customers runs and withholds this version."""
    world.call({"table": "customers"})
    item = {"bucket": "raw", "key": version.key, "version_id": version.version_id, "sha256": "0" * 64}
    item |= {"size_bytes": 8, "rows": 3, "rejected": 2, "reason": "rejected_ratio is wanted."}
    quarantine = {"table": "s3://processed/tables/customers_rejected", "delta_version": 0, "rows": 2}
    number = sum("customers/_lineage" in key for _, key in world.objects)
    silver = {"table": "s3://processed/tables/customers", "delta_version": number, "rows": 0}
    outputs = [silver, quarantine]
    world.finish("silver-customers", inputs=[], outputs=outputs, **{kind: [item]}, **facts)


def test_a_column_that_no_contract_lists_is_counted_and_named_once(
    world: GateWorld, caplog: pytest.LogCaptureFixture
) -> None:
    bad = world.arrive(f"{CUSTOMERS}a.csv")
    job_withholds(world, bad, new_columns=["tier", "\x1b[31m"])
    world.counted()
    for _ in range(2):
        world.call({"table": "customers"})
        world.now += timedelta(hours=2)
    counted = world.counted()
    assert counted["NewColumns"] == 2
    (line,) = [line for line in caplog.records if line.getMessage() == "NewColumns"]
    told = line.__dict__
    assert (told["table"], told["columns"]) == ("customers", ["tier", "\x1b[31m"])
    assert told["manifest"].startswith("s3://processed/manifests/customers/")


@pytest.mark.parametrize("columns", ["tier", [1], ["\ud800"], {"tier": 1}])
def test_a_document_whose_columns_are_no_names_is_refused(world: GateWorld, columns: Any) -> None:
    bad = world.arrive(f"{CUSTOMERS}a.csv")
    job_withholds(world, bad, new_columns=columns)
    world.counted()
    world.call({"table": "customers"})
    counted = world.counted()
    assert (counted["DocumentsRefused"], counted["NewColumns"]) == (1, 0)


def test_what_the_job_withheld_is_told_until_a_newer_version_of_it_is_handed_out(world: GateWorld) -> None:
    bad = world.arrive(f"{CUSTOMERS}a.csv")
    other = world.arrive(f"{CUSTOMERS}b.csv")
    job_withholds(world, bad)
    world.counted()
    for _ in range(2):
        answer = world.call({"table": "customers"})["tables"]["customers"]
        assert (answer["withheld"], answer["state"]) == (1, "idle")
        assert world.report() == {bad: Reason.CONTRACT}
        world.now += QUARTER
    counted = world.counted()
    assert counted["VersionsWithheld"] == 2
    assert counted["RowsRejected"] == 4, "two, once for each process of the gate"
    ((_, message),) = world.messages
    assert f"{bad.uri}: does not meet its contract" in message
    world.now += timedelta(days=30)
    newer = world.arrive(bad.key)
    assert world.call({"table": "customers"})["tables"]["customers"]["withheld"] == 0
    assert world.handed_out() == [*sorted([bad, other]), newer]
    assert "no longer withholds" in world.messages[1][0]


def test_what_the_job_withheld_is_remembered_past_the_summary(
    world: GateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_manifests, "FOLD_MANIFESTS", 1)
    bad = world.arrive(f"{CUSTOMERS}a.csv")
    job_withholds(world, bad)
    for number in range(3):
        assert world.call({"table": "customers"})["tables"]["customers"]["withheld"] == 1
        world.arrive(f"{CUSTOMERS}{number}")
        world.call({"table": "customers"})
        world.finish("silver-customers")
        world.now += timedelta(days=1)


def test_a_decision_releases_what_the_job_withheld(world: GateWorld) -> None:
    bad = world.arrive(f"{CUSTOMERS}a.csv")
    job_withholds(world, bad)
    world.call({"table": "customers"})
    decision = world.decide("release", bad)
    answer = world.call({"table": "customers"})["tables"]["customers"]
    assert (answer["entries"], answer["withheld"], answer["state"]) == (1, 0, "started")
    assert world.handed_out() == [bad, bad]
    assert [entry.decision for entry in world.manifests()[1].entries] == [decision.uri]
    world.finish("silver-customers")
    assert world.call({"table": "customers"})["tables"]["customers"] == IDLE


def again(decision: ObjectVersion, version: ObjectVersion) -> dict[str, Any]:
    """The document's entry of a version that was handed out once more and published."""
    counts = dict.fromkeys(("rows", "valid", "rejected", "duplicates"), 0)
    return {**asdict(version), "sha256": "0" * 64, "size_bytes": 0, **counts, "decision": decision.uri}


def test_what_is_to_be_judged_again_stays_withheld_until_it_is_published(
    world: GateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = world.arrive(f"{CUSTOMERS}a.csv")
    job_withholds(world, bad)
    world.call({"table": "customers"})
    first = world.decide("reprocess", versions=[asdict(bad) | {"withheld": True}])
    for name in ("first", "twice"):
        answer = world.call({"table": "customers"})["tables"]["customers"]
        assert (answer["entries"], answer["withheld"]) == (int(name == "first"), 1)
    (entry,) = world.manifests()[1].entries
    assert (entry.version, entry.decision, entry.is_withheld) == (bad, first.uri, True)
    item = {**asdict(bad), "sha256": "0" * 64, "reason": "Still too few.", "decision": first.uri}
    world.finish("silver-customers", inputs=[], withheld=[item])
    assert world.call({"table": "customers"})["tables"]["customers"]["withheld"] == 1

    second = world.decide("reprocess", name="0", versions=[asdict(bad) | {"withheld": True}])
    assert world.call({"table": "customers"})["tables"]["customers"]["entries"] == 1
    world.finish("silver-customers", inputs=[again(second, bad)])
    assert world.call({"table": "customers"})["tables"]["customers"] == IDLE
    assert world.report() == {}
    monkeypatch.setattr(gate_manifests, "FOLD_MANIFESTS", 1)
    for _ in range(2):
        assert world.call({"table": "customers"})["tables"]["customers"] == IDLE


def test_what_was_published_is_handed_out_again_past_the_thresholds(world: GateWorld) -> None:
    some = world.arrive(f"{CUSTOMERS}a.csv")
    world.call({"table": "customers"})
    world.finish("silver-customers")
    decisions = [
        world.decide("reprocess", name=name, versions=[asdict(some) | {"withheld": False}]) for name in "ba"
    ]
    for _ in range(3):
        world.call({"table": "customers"})
        if world.running("silver-customers"):
            world.finish("silver-customers", inputs=[again(decisions[0], some)])
    found = [(entry.decision, entry.is_withheld) for each in world.manifests() for entry in each.entries]
    assert found == [(None, False), (decisions[1].uri, False), (decisions[0].uri, False)]


@pytest.mark.parametrize("after", [False, True])
def test_a_gate_that_stops_anywhere_hands_out_once_what_is_to_be_judged_again(after: bool) -> None:
    dies_at, ended = 0, False
    while not ended:
        dies_at += 1
        world = GateWorld()
        bad = world.arrive(f"{CUSTOMERS}a.csv")
        job_withholds(world, bad)
        world.decide("reprocess", versions=[asdict(bad) | {"withheld": True}])
        try:
            world.call({"table": "customers"}, lifeline=Lifeline(dies_at, after=after))
            ended = True
        except CrashError:
            world.call({"table": "customers"})
        assert world.handed_out() == [bad, bad]
    assert dies_at > 10


def test_what_was_dismissed_is_not_judged_again(world: GateWorld) -> None:
    bad = world.arrive(f"{CUSTOMERS}a.csv")
    job_withholds(world, bad)
    world.decide("dismiss", bad, name="z")
    world.decide("reprocess", versions=[asdict(bad) | {"withheld": True}])
    assert world.call({"table": "customers"})["tables"]["customers"] == IDLE
    assert world.handed_out() == [bad]


def test_a_decision_gives_up_what_the_job_withheld_and_no_more(world: GateWorld) -> None:
    bad = world.arrive(f"{CUSTOMERS}a.csv")
    unproven = world.arrive(f"{CUSTOMERS}b.csv", recorded=False)
    job_withholds(world, bad)
    world.now += timedelta(hours=2)
    world.decide("dismiss", bad, unproven)
    assert world.call({"table": "customers"})["tables"]["customers"]["withheld"] == 1
    assert world.report() == {unproven: Reason.NO_RECEIPT}


def test_no_decision_makes_other_bytes_the_right_ones(world: GateWorld) -> None:
    bad = world.arrive(f"{CUSTOMERS}a.csv")
    job_withholds(world, bad, "refused")
    world.decide("release", bad)
    assert world.call({"table": "customers"})["tables"]["customers"]["withheld"] == 1
    assert world.report() == {bad: Reason.OTHER_BYTES}


@pytest.mark.parametrize(
    ("changes", "principal"),
    [
        ({}, None),
        ({}, INSIDER),
        ({}, ETL),
        ({}, GATE),
        ({}, "AWS:AROAENGINEER"),
        ({}, "AWS:AIDAENGINEER:erin@example.com"),
        ({"type": "x"}, ENGINEER),
        ({"table": "viewing_events"}, ENGINEER),
        ({"action": "publish"}, ENGINEER),
        ({"reason": ""}, ENGINEER),
        ({"versions": [{}]}, ENGINEER),
        ({"action": "reprocess", "versions": [{"withheld": 1}]}, ENGINEER),
    ],
)
def test_a_decision_that_does_not_count_changes_nothing_and_is_counted(
    world: GateWorld, changes: dict[str, Any], principal: str | None
) -> None:
    bad = world.arrive(f"{CUSTOMERS}a.csv")
    job_withholds(world, bad)
    world.counted()
    world.decide("release", bad, principal=principal, **changes)
    assert world.call({"table": "customers"})["tables"]["customers"]["withheld"] == 1
    assert world.handed_out() == [bad]
    assert world.counted()["DocumentsRefused"] == 1


def test_a_decision_without_a_receipt_yet_waits(world: GateWorld) -> None:
    bad = world.arrive(f"{CUSTOMERS}a.csv")
    job_withholds(world, bad)
    decision = world.decide("release", bad)
    kept = world.objects.pop(("provenance", decision.receipt_key))
    assert world.call({"table": "customers"})["tables"]["customers"]["withheld"] == 1
    world.objects["provenance", decision.receipt_key] = kept
    assert world.call({"table": "customers"})["tables"]["customers"]["entries"] == 1


def forge(world: GateWorld, table: str, version: int, identity: str, body: bytes, who: str | None) -> None:
    key = f"tables/{table}/_lineage/{version:020d}-{identity}.json"
    stored = world.put("processed", key, body)
    world.record(ObjectVersion("processed", key, stored.version_id), principal=who)


@pytest.mark.parametrize("who", [None, INSIDER, ENGINEER, GATE, "Anonymous", "AWS:AIDAETL"])
@pytest.mark.parametrize("body", [b"", b"{}", None])
def test_a_forged_document_does_not_make_a_manifest_done(
    world: GateWorld, body: bytes | None, who: str | None
) -> None:
    """The manifest is still handed out, and its run is told to disregard the forged document."""
    world.arrive(f"{CUSTOMERS}a")
    world.call({"table": "customers"})
    world.finish("silver-customers", "FAILED", publishes=False)
    (manifest,) = world.manifests()
    if body is None:  # everything except its writer is as for a job
        uri = world.runs[0]["Arguments"]["--manifest"]
        told = {"uri": uri, "sha256": manifest.sha256}
        copied = world.publish(
            "processed", "customers", manifest.sha256, recorded=False, manifest=told, run_id="jr_9"
        )
        body = world.stored(copied).body or b""
        del world.objects["processed", copied.key]
    forge(world, "customers", 7, manifest.sha256, body, who)
    world.counted()
    answer = world.call({"table": "customers"})["tables"]["customers"]
    assert answer["state"] == "started"
    assert world.runs[1]["Arguments"] == world.runs[0]["Arguments"] | {
        "--disregard": f"{7:020d}-{manifest.sha256}.json"
    }
    assert world.counted()["DocumentsRefused"] == 1
    world.finish("silver-customers")
    assert world.call({"table": "customers"})["tables"]["customers"]["state"] == "idle"


def test_a_job_document_that_is_malformed_or_of_another_manifest_makes_none_done(world: GateWorld) -> None:
    world.arrive(f"{CUSTOMERS}a")
    world.call({"table": "customers"})
    world.finish("silver-customers", publishes=False)
    (manifest,) = world.manifests()
    forge(world, "customers", 0, manifest.sha256, b"", ETL)
    told = {
        "uri": "s3://processed/manifests/customers/0000000009.json?versionId=x",
        "sha256": manifest.sha256,
    }
    world.publish("processed", "customers", manifest.sha256, manifest=told)
    assert world.call({"table": "customers"})["tables"]["customers"]["state"] == "started"


def test_while_its_document_waits_for_a_receipt_a_manifest_is_not_handed_out_again(world: GateWorld) -> None:
    world.arrive(f"{CUSTOMERS}a")
    world.call({"table": "customers"})
    world.finish("silver-customers")
    (key,) = [key for bucket, key in world.objects if bucket == "provenance" and "_lineage" in key]
    kept = world.objects.pop(("provenance", key))
    assert world.call({"table": "customers"})["tables"]["customers"]["state"] == "idle"
    world.objects["provenance", key] = kept
    assert world.call({"table": "customers"})["tables"]["customers"]["state"] == "idle"
    assert len(world.runs) == 1


def test_a_document_recorded_later_counts_if_glue_knows_the_run(world: GateWorld) -> None:
    """A receipt requested by custody backfill names no writer."""
    world.arrive(f"{CUSTOMERS}a")
    world.call({"table": "customers"})
    world.finish("silver-customers")
    (key,) = [key for bucket, key in world.objects if bucket == "processed" and "_lineage" in key]
    (stored,) = world.objects["processed", key]
    world.record(ObjectVersion("processed", key, stored.version_id))
    assert world.call({"table": "customers"})["tables"]["customers"]["state"] == "idle"
    world.runs[0]["Id"] = "jr_other"
    assert world.call({"table": "customers"})["tables"]["customers"]["state"] == "started"


@pytest.mark.parametrize("version", [1, 99999999999999999999])
def test_a_forged_document_of_silver_starts_nothing(world: GateWorld, version: int) -> None:
    silver_is_made(world)
    gold_is_made(world, 0, 0)
    forge(world, "customers", version, "d" * 64, b'{"type":"urn:custody:lineage:v1","inputs":[]}', None)
    assert world.call()["gold"]["customer_value"]["state"] == "idle"
    assert world.call(silver_done())["gold"]["customer_value"]["state"] == "idle"
    forge(world, "customers", 2, "e" * 64, b"{}", INSIDER)
    world.publish("processed", "viewing_events", "ef" * 32)
    assert world.call()["gold"]["customer_value"]["state"] == "started"
    assert world.runs[0]["Arguments"] == {"--versions": "customers@0,viewing_events@1"}


def test_a_forged_document_of_gold_does_not_make_it_new(world: GateWorld) -> None:
    silver_is_made(world)
    tables = [{"table": f"s3://processed/tables/{name}", "delta_version": 0} for name in SETTINGS.silver]
    world.publish("analytics", "customer_value", "cd" * 32, inputs=tables, principal=INSIDER)
    assert world.call()["gold"]["customer_value"]["state"] == "started"


def test_each_table_has_its_share_of_the_time(world: GateWorld) -> None:
    """The first table may use half of the time, and leaves the second the other half."""
    for number in range(3):
        world.arrive(f"{CUSTOMERS}{number}")
        world.arrive(f"{EVENTS}{number}")
    with pytest.raises(CannotCheckError, match=r"^customers: Listing[^:]*$"):
        world.gate().run({}, iter([900.0, *[449.0] * 1000]).__next__)
    assert world.handed_out() == []
    assert len(world.handed_out("viewing_events")) == 3


def test_gold_follows_when_silver_is_recorded(world: GateWorld) -> None:
    documents = silver_is_made(world)
    receipt = documents["customers"].receipt_key
    kept = world.objects.pop(("provenance", receipt))
    with pytest.raises(CannotCheckError, match=r"customer_value: .* has no receipt yet"):
        world.call(silver_done())
    assert world.call()["gold"]["customer_value"] == {"job_run_id": None, "state": "idle"}
    world.objects["provenance", receipt] = kept
    assert world.call(silver_done())["gold"]["customer_value"] == {"job_run_id": "jr_0", "state": "started"}
    assert world.runs[0] | {"JobName": "gold", "Arguments": PINNED} == world.runs[0]
    assert world.call(silver_done())["gold"]["customer_value"] == {"job_run_id": "jr_0", "state": "running"}


def test_gold_waits_until_each_silver_table_is_there(world: GateWorld) -> None:
    world.publish("processed", "customers", "ab" * 32)
    assert world.call(silver_done())["gold"]["customer_value"]["state"] == "idle"
    world.publish("processed", "viewing_events", "ab" * 32)
    assert world.call(silver_done())["gold"]["customer_value"]["state"] == "started"


def test_a_table_without_rows_holds_up_only_what_is_made_of_it(world: GateWorld) -> None:
    """Nor is anything made again for news of a table that it is not made of."""
    world.settings = replace(
        SETTINGS,
        silver=SETTINGS.silver | {"orders": SilverTable("silver-orders", "incoming/orders/")},
        gold=SETTINGS.gold
        | {
            "order_value": GoldTable("gold-orders", ("customers", "orders")),
            "daily_engagement": GoldTable("gold-days", ("viewing_events",)),
        },
    )
    world.publish("processed", "customers", "ab" * 32)
    assert {name: found["state"] for name, found in world.call()["gold"].items()} == {
        "customer_value": "idle",
        "order_value": "idle",
        "daily_engagement": "idle",
    }
    world.publish("processed", "viewing_events", "ab" * 32)
    assert {name: found["state"] for name, found in world.call()["gold"].items()} == {
        "customer_value": "started",
        "order_value": "idle",
        "daily_engagement": "started",
    }
    gold_is_made(world, 0, 0)
    inputs = [{"table": "s3://processed/tables/viewing_events", "delta_version": 0}]
    world.publish("analytics", "daily_engagement", "cd" * 32, inputs=inputs)
    for job in ("gold", "gold-days"):
        world.finish(job)
    world.publish("processed", "customers", "ef" * 32)
    assert {name: found["state"] for name, found in world.call()["gold"].items()} == {
        "customer_value": "started",
        "order_value": "idle",
        "daily_engagement": "idle",
    }
    assert world.call(silver_done("silver-events"))["gold"].keys() == {"customer_value", "daily_engagement"}


def test_a_deployment_may_have_no_gold(world: GateWorld) -> None:
    world.settings = replace(SETTINGS, gold={})
    world.publish("processed", "customers", "ab" * 32)
    assert "gold" not in world.call()
    assert "gold" not in world.call(silver_done())
    with pytest.raises(UsageError, match="no gold table"):
        world.call({"days": ["2026-01-15"]})


def test_gold_is_made_again_only_if_silver_has_moved_on(world: GateWorld) -> None:
    silver_is_made(world)
    gold_is_made(world, 0, 0)
    assert world.call(silver_done())["gold"]["customer_value"]["state"] == "idle"
    assert world.call()["gold"]["customer_value"]["state"] == "idle"
    world.publish("processed", "viewing_events", "ef" * 32)
    # the schedule handles what events missed, such as when gold was running
    assert world.call()["gold"]["customer_value"]["state"] == "started"
    world.finish("gold")
    gold_is_made(world, 0, 1)
    assert world.call()["gold"]["customer_value"]["state"] == "idle"


@pytest.mark.parametrize("inputs", [None, "x", [1], [{"table": "s3://processed/tables/customers"}]])
def test_an_odd_gold_document_means_that_gold_is_behind(world: GateWorld, inputs: object) -> None:
    silver_is_made(world)
    world.publish("analytics", "customer_value", "cd" * 32, inputs=inputs)
    assert world.call()["gold"]["customer_value"]["state"] == "started"


def test_runs_that_share_a_version_count_together(world: GateWorld) -> None:
    """Documents of the same version are equally new: gold may be based on any, and each must be recorded."""
    silver_is_made(world)
    gold_is_made(world, 0, 0)
    key = next(key for bucket, key in world.objects if "customer_value" in key)
    world.put("analytics", key.replace("cd" * 32, "ff" * 32), json.dumps({"inputs": []}).encode())
    assert world.call()["gold"]["customer_value"]["state"] == "idle"

    world.publish("processed", "customers", "00" * 32)
    key = next(key for bucket, key in world.objects if key.endswith(f"1-{'00' * 32}.json"))
    world.put("processed", key.replace("00" * 32, "ff" * 32), b"{}")
    assert world.call()["gold"]["customer_value"]["state"] == "idle"
    with pytest.raises(CannotCheckError, match=r"f\.json has no receipt yet"):
        world.call(silver_done())


def test_gold_that_fails_is_tried_again_after_growing_pauses(world: GateWorld) -> None:
    silver_is_made(world)
    tried = []
    for minutes in range(0, 4 * 60, 15):
        if world.call()["gold"]["customer_value"]["state"] == "started":
            tried.append(minutes)
            world.finish("gold", "FAILED")
        world.now += QUARTER
    assert tried == [0, 15, 45, 90, 180]
    assert (
        world.call(silver_done())["gold"]["customer_value"]["state"] == "started"
    )  # there is something new to try it with


def test_gold_that_is_named_is_made_without_a_pause_and_looks_at_no_arrivals(world: GateWorld) -> None:
    silver_is_made(world)
    for _ in range(2):
        answer = world.call({"table": "customer_value"})
        assert answer["gold"]["customer_value"]["state"] == "started"
        assert answer["tables"] == {}
        world.finish("gold", "FAILED")
    gold_is_made(world, 0, 0)
    assert world.call({"table": "customer_value"})["gold"]["customer_value"]["state"] == "idle"


def test_a_gold_run_that_ended_well_ends_the_pauses(world: GateWorld) -> None:
    silver_is_made(world)
    for state in ("FAILED", "FAILED", "FAILED", "SUCCEEDED"):
        assert world.call(silver_done())["gold"]["customer_value"]["state"] == "started"
        world.now += timedelta(minutes=1)
        world.finish("gold", state)
    assert world.call()["gold"]["customer_value"]["state"] == "started"


def forged(world: GateWorld, document: ObjectVersion) -> None:
    """A newer version, older than the time a receipt may take."""
    world.put("processed", document.key, b'{"forged": true}').last_modified -= timedelta(hours=2)


def changed(world: GateWorld, document: ObjectVersion) -> None:
    """Bytes changed behind Amazon S3's back; size and ETag stay the same."""
    world.record(document, sha256="00" * 32)


def unsigned(world: GateWorld, document: ObjectVersion) -> None:
    world.put("provenance", document.receipt_key, b"{}")


@pytest.mark.parametrize(
    ("damage", "why"),
    [(forged, "no receipt"), (changed, "hashes to"), (unsigned, "receipt cannot be read")],
)
def test_gold_is_not_made_of_silver_whose_lineage_does_not_hold(
    world: GateWorld, damage: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    documents = silver_is_made(world)
    damage(world, documents["customers"])
    for event in ({}, silver_done()):
        assert world.call(event)["gold"]["customer_value"]["state"] == "idle"
        assert world.counted()["DocumentsRefused"] == 1
    with pytest.raises(CannotCheckError, match="no accepted lineage document"):
        world.call({"days": ["2026-01-15"]})
    assert why in caplog.text or any(why in str(line.__dict__.get("reason")) for line in caplog.records)
    assert world.runs == []


def test_days_are_made_anew(world: GateWorld) -> None:
    event = {"days": ["2026-01-16", "2026-01-15"]}
    with pytest.raises(CannotCheckError, match="no accepted lineage document"):
        world.call(event)
    documents = silver_is_made(world)
    gold_is_made(world, 0, 0)
    assert world.call(event) == {
        "tables": {},
        "gold": {"customer_value": {"job_run_id": "jr_0", "state": "started"}},
    }
    assert world.runs[0]["Arguments"] == {"--days": "2026-01-15,2026-01-16", **PINNED}
    assert world.call(event)["gold"]["customer_value"] == {"job_run_id": None, "state": "running"}
    world.finish("gold")
    del world.objects["provenance", documents["customers"].receipt_key]
    with pytest.raises(CannotCheckError, match="has no receipt yet"):
        world.call(event)


@pytest.mark.parametrize("after", [False, True])
def test_a_gate_may_stop_anywhere(after: bool) -> None:
    """After a crash at each call in turn, the next gate completes everything."""
    dies_at = 0
    while True:
        dies_at += 1
        world = GateWorld()
        silver_is_made(world)
        good = [world.arrive(f"{CUSTOMERS}{name}") for name in "ab"]
        withheld = world.arrive(f"{CUSTOMERS}withheld", recorded=False)
        world.now += timedelta(hours=2)
        lifeline = Lifeline(dies_at, after=after)
        try:
            world.call(lifeline=lifeline)
        except CrashError:
            world.call()
        else:
            break
        assert sorted(world.handed_out()) == good
        assert world.report() == {withheld: Reason.NO_RECEIPT}
        assert len(world.messages) in {1, 2}
        assert [run["JobName"] for run in world.runs] == ["silver-customers", "gold"]
    assert dies_at > 25
