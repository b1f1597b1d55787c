from __future__ import annotations

import hashlib
import json
import re
import shlex
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from custody.cli import main, tables
from custody.evidence.objects import ObjectVersion
from custody.ledger.ledger import AccessRow, LedgerRow
from custody.verify.reconcile import ReconciledStatus
from custody.verify.run import Verification
from tests.support.checksums import CREATED, JOB, csv_row, write_report
from tests.support.lake import Lake
from tests.unit.cloud import Cloud, deployed, write_deployment
from tests.unit.report.sample import HOSTILE, RAW, START, denied_row, ledger_row

STORY_COLUMNS = {"who": "varchar", "access": "varchar", "layer": "varchar", "row_count": "bigint"}
STORY_COLUMNS |= {"last_time": "timestamp"}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    with deployed(monkeypatch) as cloud:
        monkeypatch.setenv("CUSTODY_DEPLOYMENT", str(write_deployment(cloud, tmp_path)))
        monkeypatch.setenv("COLUMNS", "200")
        yield cloud


Capture = pytest.CaptureFixture[str]


class Told:
    """How a run of the command line ended."""

    def __init__(self, capsys: Capture, *arguments: str) -> None:
        capsys.readouterr()
        self.status = main(arguments)
        self.out, self.err = capsys.readouterr()

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def test_ledger_shows_hostile_names_as_they_are_stored(cloud: Cloud, capsys: Capture) -> None:
    rows = [
        replace(ledger_row(n, key), user_name="\x1b]0;owned\x07[bold]x[/]") for n, key in enumerate(HOSTILE)
    ]
    cloud.will_answer_rows(rows, LedgerRow)
    told = Told(capsys, "ledger")
    assert told.status == 0
    assert len(told.lines) == len(rows) + 1
    for raw in ("\x1b", "\x07", "\u202e", "\r"):
        assert raw not in told.out + told.err
    for shown in (
        r"\x1b[2J",
        r"\u202efdp.exe",
        "<script>alert(1)</script>",
        "[bold]x[/]",
        HOSTILE[4],
        HOSTILE[6],
    ):
        assert shown in told.out
    assert "7 rows: 7 verified" in told.err


def test_ledger_as_json_is_one_document(cloud: Cloud, capsys: Capture) -> None:
    rows = [ledger_row(n, key) for n, key in enumerate(HOSTILE)]
    cloud.will_answer_rows(rows, LedgerRow)
    told = Told(capsys, "ledger", "--format", "json")
    assert told.document == {"rows": [row.to_dict() for row in rows], "count": len(rows)}
    assert told.out.isascii()
    assert told.err == ""
    assert Told(capsys, "ledger", "--format", "json").document == {"rows": [], "count": 0}


def test_ledger_asks_only_for_what_is_wanted(cloud: Cloud, capsys: Capture) -> None:
    hostile = "incoming/'; DROP TABLE x; --"
    told = Told(capsys, "ledger", "--key", hostile, "--since", "2026-01-15", "--status", "verified")
    assert told.status == 0
    assert "no matching rows" in told.err
    [(sql, parameters)] = cloud.asked()
    assert "DROP" not in sql
    assert parameters == [
        "CAST('2026-01-15' AS DATE)",
        "CAST('2026-01-15 00:00:00.000' AS TIMESTAMP)",
        "'incoming/''; DROP TABLE x; --'",
        "'verified'",
    ]


def test_ledger_asks_by_user_place_and_period(cloud: Cloud, capsys: Capture) -> None:
    cloud.will_answer_rows([ledger_row(n, f"incoming/{n}") for n in range(2)], LedgerRow)
    place = ["--prefix", f"s3://{RAW}/incoming/", "--until", "2026-01-16", "--layer", "bronze"]
    told = Told(capsys, "ledger", *place, "--user", "o'hara", "--limit", "2")
    assert told.err == "2 rows: 2 verified (the newest; there may be more than --limit 2)\n"
    [(sql, parameters)] = cloud.asked()
    assert sql.endswith("LIMIT 2")
    assert parameters == [
        "CAST('2026-01-23' AS DATE)",
        "CAST('2026-01-16 00:00:00.000' AS TIMESTAMP)",
        f"'{RAW}'",
        "'incoming/'",
        "'bronze'",
        *["'o''hara'"] * 4,
    ]
    assert Told(capsys, "ledger", "--key", "s3://other/k", "--prefix", f"s3://{RAW}/").status == 2
    assert Told(capsys, "ledger", "--limit", "0").status == 2


@pytest.mark.parametrize(
    "asked",
    [
        ["ledger", "--prefix", "s3://raw-dat/incoming/"],
        ["ledger", "--key", "s3://raw-dat/a", "--format", "json"],
        ["reads", "--of", "s3://raw-dat"],
    ],
)
def test_nothing_of_a_bucket_that_is_not_the_deployments_is_no_answer(
    asked: list[str], cloud: Cloud, capsys: Capture
) -> None:
    told = Told(capsys, *asked)
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith(
        "custody: Nothing is known of raw-dat, which is no bucket of this deployment. Those are "
    )
    assert RAW in told.err
    cloud.will_answer_rows([replace(denied_row(1), bucket_name="raw-dat")], AccessRow)
    told = Told(capsys, "reads", "--of", "s3://raw-dat", "--format", "json")
    assert told.document["count"] == 1, "another's trail may log other buckets too"


def test_wrong_use_is_told_in_sentences(capsys: Capture) -> None:
    assert Told(capsys, "ledger", "--limit", "0").err.endswith("equal to 1. See custody --help.\n")
    assert Told(capsys, "ledger", "--layer", "x").err.endswith("'unknown'. See custody --help.\n")


def test_a_narrow_terminal_says_what_it_leaves_out(
    cloud: Cloud, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake_of(cloud).silver("orders", 1, [lake_of(cloud).raw("incoming/1")])
    for columns, said in (("80", True), ("120", False)):
        monkeypatch.setenv("COLUMNS", columns)
        cloud.will_answer_rows([ledger_row(1, "incoming/1")], LedgerRow)
        ledger = Told(capsys, "ledger")
        cloud.will_answer_rows([denied_row(1)], AccessRow)
        reads, lineage = Told(capsys, "reads"), Told(capsys, "lineage", "orders")
        for told, names in ((ledger, "from, sha-256"), (reads, "from"), (lineage, "rows, run, committed")):
            words = f"Left out, the terminal being {columns} columns wide: {names}."
            assert (words in told.err) is said
            assert all(name in told.lines[0] + told.lines[1] for name in names.split(", ")) is not said


def test_reads_tell_denied_ones_apart(cloud: Cloud, capsys: Capture) -> None:
    rows = [
        replace(denied_row(n), object_key=key, error_code=code, caller=f"\x1b{n}")
        for n, (key, code) in enumerate(
            [(HOSTILE[1], None), ("incoming/a", "AccessDenied"), ("incoming/b", "NoSuchKey\u202e")]
        )
    ]
    for _ in range(2):
        cloud.will_answer_rows(rows, AccessRow)
    told = Told(capsys, "reads", "--by", "o'hara", "--of", f"s3://{RAW}/incoming/?versionId=v1")
    assert told.status == 0
    assert [line.split()[1] for line in told.lines[1:]][:1] == ["read"]
    assert "denied" in told.out
    assert "NoSuch…\\u202e" in told.out
    assert "\x1b" not in told.out + told.err
    assert told.err == "3 rows: 1 read, 1 denied, 1 failed\n"
    [(sql, parameters)] = cloud.asked()
    assert "o'hara" not in sql
    assert parameters == ["'read'", f"'{RAW}'", "'incoming/'", "'v1'", *["'o''hara'"] * 5]

    told = Told(capsys, "reads", "--format", "json")
    assert told.document == {"rows": [row.to_dict() for row in rows], "count": 3}
    told = Told(capsys, "reads")
    assert (told.status, told.out, told.err) == (0, "", "CloudTrail has no matching reads (yet).\n")
    assert Told(capsys, "reads", "--format", "json").document == {"rows": [], "count": 0}


def test_a_long_ledger_is_printed_in_blocks_of_the_same_widths(cloud: Cloud, capsys: Capture) -> None:
    cloud.will_answer_rows([ledger_row(n, f"incoming/{n}") for n in range(503)], LedgerRow)
    told = Told(capsys, "ledger")
    assert len(told.lines) == 504
    assert [line for line in told.lines if "sha-256" in line] == told.lines[:1]
    column = told.lines[0].index("object")
    assert all(line[column:].startswith("incoming/") for line in told.lines[1:])


def test_verify_says_each_finding_and_ends_with_1(cloud: Cloud, capsys: Capture) -> None:
    good, bad = cloud.put("incoming/good.csv"), cloud.put("incoming/[red]bad\x1b.csv", b"changed")
    cloud.record(good)
    cloud.record(bad, b"as it was")
    assert Told(capsys, "verify", good.uri).status == 0

    told = Told(capsys, "verify")
    assert told.status == 1
    assert " critical  object.hash failed  " + bad.uri in told.out
    assert "%1B.csv" in told.out
    assert "\x1b" not in told.out
    assert "1 finding." in told.err

    told = Told(capsys, "verify", "--format", "json", f"s3://{RAW}/incoming/")
    assert told.status == 1
    assert [finding["claim"] for finding in told.document["findings"]] == ["object.hash"]
    assert told.document["claims"]["receipt.signature"]["passed"] == 2
    assert told.err == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--copy"], "This deployment has no second copy of its evidence."),
        (["--from-copy"], "This deployment has no second copy of its evidence."),
        (["--copy", f"s3://{RAW}/incoming/"], "The copy is compared as a whole."),
        (["--copy", "--from-copy"], "The copy is compared as a whole."),
        (["--copy", "--bundle", "proof.zip"], "A bundle is checked as a whole."),
        (["--checksum-report", "r", "--bundle", "proof.zip"], "A bundle is checked as a whole."),
        (["--checksum-report", "r", "--copy"], "A second copy has no objects."),
        (["--checksum-report", "r", "--from-copy"], "A second copy has no objects."),
    ],
)
def test_a_second_copy_must_be_there_and_is_taken_whole(
    cloud: Cloud, capsys: Capture, options: list[str], words: str
) -> None:
    told = Told(capsys, "verify", *options)
    assert (told.status, told.out) == (2, "")
    assert words in told.err


def test_a_sample_says_in_its_last_line_what_it_looked_at(cloud: Cloud, capsys: Capture) -> None:
    for number in range(4):
        cloud.record(cloud.put(f"incoming/{number}"))
    told = Told(capsys, "verify", "--sample", "1e-9")
    assert told.status == 0
    assert re.fullmatch(
        r"Every claim checked holds\. The bytes of \d of 4 objects were looked at: "
        r"a sample of 1e-09, drawn with the seed [0-9a-f]{32}\.",
        told.err.splitlines()[-1],
    )


def test_verify_says_in_its_last_line_by_whose_word(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    versions = [cloud.put(f"incoming/{number}") for number in range(3)]
    for version in versions:
        cloud.record(version)
    sha256 = hashlib.sha256(b"a,b\n1,2\n").hexdigest()
    folder = str(write_report(tmp_path, *(csv_row(version, sha256) for version in versions[:2])))
    told = Told(capsys, "verify", "--checksum-report", folder)
    assert told.status == 0
    assert told.err.splitlines()[-1] == (
        "Every claim checked holds. The bytes of 2 objects were judged by the word of S3 Batch Operations "
        f"(job {JOB}, report of {CREATED}), not read by us."
    )
    assert re.search(r"object\.hash +3 .*\n +by S3 Batch Operations +2", told.out)

    other = csv_row(versions[0], hashlib.sha256(b"other").hexdigest())
    told = Told(capsys, "verify", "--checksum-report", str(write_report(tmp_path, other)), "--format", "json")
    assert (told.status, told.document["reported"]["objects"], told.document["receipts_read"]) == (1, 1, 2)
    assert f"by the word of S3 Batch Operations, job {JOB}" in told.document["findings"][0]["detail"]

    told = Told(capsys, "verify", "--checksum-report", str(tmp_path))
    assert (told.status, told.out, len(told.err.splitlines())) == (2, "", 1)


def test_verify_says_what_is_kept_and_what_is_not_its_own(
    cloud: Cloud, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for number in range(3):
        cloud.record(cloud.put(f"incoming/{number}"))

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Verification, "_compare_receipts", stop)
        told = Told(capsys, "verify")
    assert told.status == 130
    assert (
        "What was checked of 3 receipts is kept for a day: run the same command again to go on." in told.err
    )
    told = Told(capsys, "verify", "--format", "json")
    assert (told.status, told.document["reused"]) == (0, 3)

    with monkeypatch.context() as patch:
        patch.setattr(Verification, "_compare_receipts", stop)
        Told(capsys, "verify")
    (file,) = (tmp_path / "custody" / "verify").iterdir()
    file.chmod(0o644)
    told = Told(capsys, "verify")
    assert "is not a file that you alone may open: nothing of it was reused." in told.err
    assert "an earlier run of this command" not in told.err

    with monkeypatch.context() as patch:
        patch.setattr(Verification, "_compare_receipts", stop)
        Told(capsys, "verify")
    told = Told(capsys, "reconcile")
    assert "Of 3 receipts the results are those of an earlier run of this command" in told.err


def test_reconcile_shows_hostile_names_as_they_are_stored(
    cloud: Cloud, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    versions = [cloud.put(key) for key in HOSTILE]
    cloud.record(versions[0])
    told = Told(capsys, "reconcile")
    assert told.status == 3
    assert told.lines[: len(ReconciledStatus)] == [
        f"{len(HOSTILE) if status == 'pending' else 0:>12}  {status}" for status in ReconciledStatus
    ]
    assert len(told.lines) == len(ReconciledStatus) + 2 + len(HOSTILE)
    for raw in ("\x1b", "\x07", "\u202e", "\r"):
        assert raw not in told.out + told.err

    assert "%1B[2J%1B[31mred%0D%0Averified?versionId=" in told.out
    assert told.err.endswith("compared three ways: there is no log. Everything is pending.\n")

    told = Told(capsys, "reconcile", "--format", "json")
    document = told.document
    assert document["counts"] == dict.fromkeys(ReconciledStatus, 0) | {"pending": len(HOSTILE)}
    assert {row["uri"] for row in document["rows"]} == {version.uri for version in versions}
    assert [row["receipt_key"] for row in document["rows"] if row["sha256"]] == [versions[0].receipt_key]
    assert (document["findings"], document["unchecked"]) == ([], [])
    assert document["verification"]["has_log"] is False


def test_reconcile_names_what_repairs_and_what_is_wrong(
    cloud: Cloud, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cloud.deployment = replace(cloud.deployment, watermark_minutes=0)
    monkeypatch.setenv("CUSTODY_DEPLOYMENT", str(write_deployment(cloud, tmp_path)))
    bereft, bad = cloud.put("incoming/o'hara & co.csv"), cloud.put("incoming/bad", b"changed")
    cloud.record(bad, b"as it was")
    told = Told(capsys, "reconcile", "--since", "1h", "--prefix", f"s3://{RAW}/incoming/")
    assert told.status == 1
    assert f"  → custody record {shlex.quote(bereft.uri)}" in told.lines
    at = told.lines.index(f"mismatch  {bad.uri}")
    assert "its receipt says" in told.lines[at + 1]
    assert told.lines[at + 3] == "  Nothing repairs this; docs/runbook_failures.md says what to do."
    assert told.err.endswith("Not everything agrees.\n")
    told = Told(capsys, "reconcile", "--until", "1h")
    assert (told.status, told.err.splitlines()[-1]) == (
        3,
        "No object version was written in that period and place.",
    )
    assert Told(capsys, "reconcile", "--prefix", "incoming/").status == 2


@pytest.mark.parametrize("scope", ["s3://another-bucket", "s3://", "bucket/key", f"s3://{RAW}/a?version=1"])
def test_verify_refuses_what_is_not_ours(cloud: Cloud, capsys: Capture, scope: str) -> None:
    told = Told(capsys, "verify", scope)
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith("custody: ")


def test_show_tells_the_story(cloud: Cloud, capsys: Capture) -> None:
    version = cloud.put("incoming/a b?.csv")
    cloud.record(version)
    row = replace(ledger_row(1, version.key), version_id=version.version_id, user_agent="evil\x1b[0m\nagent")
    for _ in range(2):
        cloud.will_answer_rows([row], LedgerRow)
        cloud.will_answer(STORY_COLUMNS, [["ana\u202e", "read", "bronze", 2, START]])

    told = Told(capsys, "show", version.uri)
    assert told.status == 0
    assert "✓ receipt.signature" in told.out
    assert r"with evil\x1b[0m\x0aagent" in told.out
    assert r"2 times by ana\u202e, last 2026-01-15 09:30:00 UTC" in told.out
    assert f"custody lineage 's3://{RAW}/incoming/a b%3F.csv' shows what was made from it." in told.out

    told = Told(capsys, "show", version.uri, "-f", "json")
    assert told.document["versions"][0]["stored"] == "current"
    assert told.err == ""


def test_record_waits_for_the_receipt(cloud: Cloud, capsys: Capture) -> None:
    version = cloud.put("incoming/a.csv")
    cloud.messages()
    messages: list[dict[str, Any]] = []

    ended = threading.Event()

    def act_as_recorder() -> None:
        while not (messages or ended.is_set()):
            messages.extend(cloud.messages())
            time.sleep(0.05)
        if messages:
            cloud.record(version)

    recorder = threading.Thread(target=act_as_recorder, daemon=True)
    recorder.start()
    told = Told(capsys, "record", version.uri, "--timeout", "600", "--format", "json")
    ended.set()
    recorder.join()
    assert told.status == 0
    assert told.document == {
        "object": version.uri,
        "receipt": f"s3://{cloud.deployment.buckets['provenance']}/{version.receipt_key}",
        "already_recorded": False,
    }
    [message] = messages
    assert message["eventSource"] == "custody:backfill"
    assert "responseElements" not in message

    told = Told(capsys, "record", version.uri)
    assert "already had its receipt" in told.out
    assert cloud.messages() == []


def test_record_says_when_no_receipt_comes(cloud: Cloud, capsys: Capture) -> None:
    version = cloud.put("incoming/a.csv")
    told = Told(capsys, "record", version.uri, "--timeout", "0")
    assert told.status == 3
    assert "No receipt within" in told.err
    assert "custody doctor" in told.err


def test_record_does_not_cover_up_a_deletion(cloud: Cloud, capsys: Capture) -> None:
    version = cloud.put("incoming/a.csv")
    cloud.record(version)
    cloud.client("s3").delete_object(Bucket=cloud.deployment.buckets["provenance"], Key=version.receipt_key)
    cloud.messages()
    told = Told(capsys, "record", version.uri)
    assert told.status == 1
    assert "delete marker" in told.err
    assert cloud.messages() == []


def test_backfill_reports_what_it_did(cloud: Cloud, capsys: Capture) -> None:
    for n in range(11):
        cloud.put(f"incoming/{n}")
    cloud.put("elsewhere/a")
    told = Told(capsys, "backfill", f"s3://{RAW}")
    assert told.status == 0
    assert [line.split()[0] for line in told.lines] == ["12", "11", "1"]
    assert "A receipt made now proves the bytes from now on, not that they are those" in told.err
    assert "custody reconcile names them." in told.err
    told = Told(capsys, "backfill", f"s3://{RAW}/incoming/", "--format", "json")
    assert told.document["sent"] == 11
    assert Told(capsys, "backfill", f"s3://{RAW}/elsewhere/").status == 2


def test_report_writes_the_page(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    version = cloud.put("incoming/a.csv", b"changed")
    cloud.record(version, b"as it was")
    now = datetime.now(UTC)
    counts = {"layer": "varchar", "status": "varchar", "row_count": "bigint"}
    span = {"first_time": "timestamp", "last_time": "timestamp"}
    cloud.will_answer(counts | span, [["bronze", "verified", 7, now - timedelta(hours=3), now]])
    cloud.will_answer({"start_time": "timestamp"} | counts, [[now, "bronze", "verified", 7]])
    cloud.will_answer_rows([ledger_row(n, key) for n, key in enumerate(HOSTILE)], LedgerRow)
    cloud.will_answer(
        {"access": "varchar", "error_code": "varchar", "row_count": "bigint"}, [["read", None, 2]]
    )
    cloud.will_answer_rows([denied_row(1)], AccessRow)
    cloud.will_answer(STORY_COLUMNS, [["ana", "read", "bronze", 2, now]])
    lake_of(cloud).gold("customer_value", 1, [("customers", 1)])
    page = tmp_path / "report.html"

    told = Told(capsys, "report", "-o", str(page), "--format", "json")

    assert told.status == 1
    assert told.document["rows"] == 7
    assert "recorder" in {check["stage"] for check in told.document["health"]}
    assert [finding["claim"] for finding in told.document["findings"]] == ["object.hash"]
    html = page.read_text()
    assert "1 finding: the evidence does not hold everywhere." in html
    assert "What the gold tables were made from" in html
    states = [check["state"] for check in told.document["health"]]
    unwell = len(states) - states.count("ok")
    assert re.search(rf"{unwell} of {len(states)} stages needs? attention\.", html)
    assert "tables/customers@1 has no lineage document" in html
    assert "date_trunc(&#39;minute&#39;" not in html
    assert any("date_trunc('minute'" in sql for sql, _ in cloud.asked())
    assert Told(capsys, "report", "-o", str(tmp_path / "no" / "where.html")).status == 2


def test_a_report_is_of_a_period_and_a_place(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    version = cloud.put("incoming/a/x.csv", b"changed")
    cloud.record(version, b"as it was")
    cloud.record(cloud.put("incoming/b/x.csv"))
    page = tmp_path / "report.html"
    period = ["--since", "2026-01-15", "--until", "2026-01-16"]
    told = Told(capsys, "report", "-o", str(page), *period, "--prefix", f"s3://{RAW}/incoming/b/")
    assert told.status == 0, "what is elsewhere is not verified"
    assert "0 writes" in told.out
    *shown, ledger, object_access = cloud.asked()
    assert all(parameters[-1] == "'incoming/b/'" for _, parameters in shown)
    assert all(sql.count("event_date <= ?") == 1 for sql, _ in shown)
    assert not any("event_date <= ?" in sql for sql, _ in (ledger, object_access)), "health is of now"
    words = f"since 2026-01-15T00:00:00Z and before 2026-01-16T00:00:00Z and in s3://{RAW}/incoming/b/"
    assert words in page.read_text()
    told = Told(capsys, "report", "-o", str(page), "--prefix", "incoming/")
    assert (told.status, told.out) == (2, "")


def test_doctor_names_the_broken_stage(cloud: Cloud, capsys: Capture) -> None:
    cloud.connect_recorder()
    told = Told(capsys, "doctor")
    assert told.status == 0
    assert all(line.startswith("ok ") for line in told.lines)
    cloud.client("cloudtrail").stop_logging(Name="custody-local")
    told = Told(capsys, "doctor")
    assert told.status == 1
    assert "broken  trail" in told.out
    assert "→ Find out who stopped it" in told.out
    assert told.err == "Broken: trail, management events.\n"
    told = Told(capsys, "doctor", "--format", "json")
    assert {check["state"] for check in told.document["checks"]} == {"ok", "broken"}
    assert told.err == ""


def test_doctor_starts_a_note(cloud: Cloud, capsys: Capture, tmp_path: Path) -> None:
    cloud.connect_recorder()
    cloud.client("cloudtrail").stop_logging(Name="custody-local")
    folder = tmp_path / "notes"
    folder.mkdir()
    told = Told(capsys, "doctor", "--note", str(folder))
    (note,) = folder.iterdir()
    assert (told.status, note.name.endswith("-trail.md"), str(note) in told.err) == (1, True, True)
    text = note.read_text()
    assert "## trail: broken" in text
    assert "## Why" in text
    told = Told(capsys, "doctor", "--note", str(tmp_path / "nowhere"))
    assert (told.status, len(told.err.splitlines())) == (2, 2)


def lake_of(cloud: Cloud) -> Lake:
    def put(bucket: str, key: str, body: bytes) -> ObjectVersion:
        short = {name: short for short, name in cloud.deployment.buckets.items()}[bucket]
        return cloud.put(key, body, short)

    return Lake(cloud.deployment.buckets, put)


def test_lineage_shows_where_a_table_came_from(cloud: Cloud, capsys: Capture) -> None:
    lake = lake_of(cloud)
    entry = lake.raw(HOSTILE[1])
    lake.silver("customers", 3, [entry], rejected=1, run_id="jr_\x1b[31m")
    lake.gold("customer_value", 2, [("customers", 3)])

    told = Told(capsys, "lineage", "customer_value")
    assert told.status == 0
    assert told.lines[0].endswith("/tables/customer_value@2")
    assert [line.split()[0] for line in told.lines[1:]] == [
        "layer",
        "gold",
        "silver",
        "rejected",
        "manifest",
        "raw",
    ]
    assert "\x1b" not in told.out + told.err
    assert r"incoming/\x1b[2J\x1b[31mred\x0d\x0averified" in told.out.replace("\n", "")
    assert r"jr_\x1b[31m" in told.out
    assert entry.sha256[:12] in told.out
    assert "1 gold version, 1 silver version, 1 quarantine version, 1 manifest, 1 object version" in told.err

    told = Told(capsys, "lineage", entry.version.uri, "--format", "json")
    assert (told.status, told.err) == (0, "")
    document = told.document
    assert list(document) == ["start", "nodes", "edges", "missing", "notes"]
    assert document["start"] == entry.version.uri
    assert [node["kind"] for node in document["nodes"]] == [
        "gold",
        "silver",
        "rejected",
        "manifest",
        "object",
    ]
    assert {edge["kind"] for edge in document["edges"]} == {"named", "processed", "read"}


def test_lineage_with_a_gap_ends_with_1_and_without_a_table_with_2(cloud: Cloud, capsys: Capture) -> None:
    lake = lake_of(cloud)
    lake.gold("customer_value", 2, [("customers", 3)])
    told = Told(capsys, "lineage", "customer_value", "--format", "json")
    assert told.status == 1
    assert "has no lineage document" in told.document["missing"][0]
    assert Told(capsys, "lineage", "customer_value").err.count("has no lineage document") == 1

    told = Told(capsys, "lineage", "evil\x1b[2J")
    assert (told.status, told.out) == (2, "")
    assert r"There is no table 'evil\\x1b[2J'. There are: customer_value." in told.err
    assert Told(capsys, "lineage").status == 2


@pytest.mark.parametrize("columns", ["80", "120", "200"])
def test_a_long_lineage_is_printed_in_blocks_of_the_same_widths(
    cloud: Cloud, capsys: Capture, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setattr(tables, "_BLOCK_ROWS", 4)
    monkeypatch.setenv("COLUMNS", columns)
    lake = lake_of(cloud)
    lake.silver("customers", 1, [lake.raw(f"incoming/{number}") for number in range(10)])
    told = Told(capsys, "lineage", "customers")
    starts = {line.index("incoming/") for line in told.lines[1:] if "incoming/" in line}
    assert starts == {told.lines[1].index("what")}
    assert len([line for line in told.lines if line.startswith("raw ")]) == 10
    assert [line for line in told.lines if "sha-256" in line] == told.lines[1:2]
    assert max(map(len, told.lines[1:])) <= int(columns)


def act_as_recorder(cloud: Cloud, bucket: str, prefix: str, known: Collection[str] = ()) -> threading.Thread:
    """Record the next object below a prefix once it is there."""

    def record() -> None:
        s3 = cloud.client("s3")
        while not (
            new := [
                entry
                for entry in s3.list_object_versions(Bucket=bucket, Prefix=prefix).get("Versions", [])
                if entry["Key"] not in known
            ]
        ):
            time.sleep(0.05)
        version = ObjectVersion(bucket, new[0]["Key"], new[0]["VersionId"])
        cloud.record(version, s3.get_object(Bucket=bucket, Key=version.key)["Body"].read())

    thread = threading.Thread(target=record, daemon=True)
    thread.start()
    return thread


def test_erase_records_the_decision_and_then_deletes(cloud: Cloud, capsys: Capture) -> None:
    s3, processed = cloud.client("s3"), cloud.deployment.buckets["processed"]
    version, other = cloud.put("incoming/a.csv"), cloud.put("incoming/b.csv")
    for each in (version, other):
        cloud.record(each)
    reason = ["--reason", "asked for by \x1b[31mher"]
    assert Told(capsys, "erase", version.uri, *reason, "--yes", "--timeout", "0").status == 3
    assert Told(capsys, "verify", version.uri).status == 0, (
        "without a receipt of the decision nothing is deleted"
    )
    page = s3.list_object_versions(Bucket=processed)["Versions"]
    s3.delete_object(Bucket=processed, Key=page[0]["Key"], VersionId=page[0]["VersionId"])

    recorder = act_as_recorder(cloud, processed, "erasures/")
    told = Told(capsys, "erase", version.uri, *reason, "--yes", "--timeout", "600", "--format", "json")
    recorder.join()
    assert (told.status, told.document["erased"], told.document["failed"]) == (0, [version.uri], {})

    told = Told(capsys, "verify")
    assert told.status == 0
    assert f"erased  {version.uri}" in told.out
    assert r"asked for by \x1b[31mher" in told.out
    assert "\x1b" not in told.out + told.err
    assert "Deleted lawfully, and no findings: 1 erased." in told.err
    told = Told(capsys, "show", version.uri)
    assert told.status == 0
    assert "! erased" in told.out
    assert "hash to the SHA-256" not in told.out
    s3.delete_object(Bucket=other.bucket, Key=other.key, VersionId=other.version_id)
    told = Told(capsys, "verify")
    assert (told.status, "1 finding." in told.err) == (1, True)
    decided = {entry["Key"] for entry in s3.list_objects_v2(Bucket=processed)["Contents"]}
    recorder = act_as_recorder(cloud, processed, "erasures/", decided)
    assert Told(capsys, "erase", other.uri, *reason, "--yes", "--timeout", "600").status == 0
    recorder.join()
    assert Told(capsys, "verify").status == 0, "a decision may come afterwards"


@pytest.mark.parametrize(
    "arguments",
    [
        ["s3://{raw}/incoming/a.csv", "--reason", "r", "--yes"],  # no version
        ["{uri}", "--reason", " ", "--yes"],
        ["{uri}", "--reason", "r"],  # nobody confirms
        ["{uri}", "--reason", "x" * 2001, "--yes"],
        ["{uri}", "s3://{raw}/incoming/a.csv?versionId=gone", "--reason", "r", "--yes"],
        ["{uri}", "{unrecorded}", "--reason", "r", "--yes"],
        ["{manifest}", "--reason", "r", "--yes"],
        ["{uri}", "--yes"],
    ],
)
def test_what_cannot_be_erased_lawfully_is_refused_before_anything_is_written(
    cloud: Cloud, capsys: Capture, arguments: list[str]
) -> None:
    version, manifest = cloud.put("incoming/a.csv"), cloud.put("manifests/t/1.json", bucket="processed")
    unrecorded = cloud.put("incoming/b.csv")
    for each in (version, manifest):
        cloud.record(each)
    names = {"raw": RAW, "uri": version.uri, "unrecorded": unrecorded.uri, "manifest": manifest.uri}
    told = Told(capsys, "erase", *(argument.format_map(names) for argument in arguments))
    assert (told.status, told.out, told.err.count("\n")) == (2, "", 1)
    listed = cloud.client("s3").list_object_versions(Bucket=cloud.deployment.buckets["processed"])
    assert [entry["Key"] for entry in listed["Versions"]] == [manifest.key]
    assert cloud.client("s3").head_object(Bucket=RAW, Key=version.key, VersionId=version.version_id)
