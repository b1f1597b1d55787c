"""An interrupted verification goes on: same report, nothing twice, and nothing that is not its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import boto3
import pytest

from custody.errors import CannotCheckError
from custody.evidence.objects import S3Location
from custody.evidence.registry import REGISTRY_KEY
from custody.findings import Claim
from custody.verify import log as verify_log
from custody.verify import reading, resume
from custody.verify.resume import Results
from custody.verify.sealed import BundleTask, CheckBundles
from custody.verify.verify import Processes, VerificationReport, verify
from scripts.bench.sealed import seal
from scripts.bench.store import BUCKETS, PREFIX, WRITTEN, Receipts, Store, deployment, fill, serve
from tests.support.digests import Keys

OBJECTS, SEALED = 40, 30
"""A bundle of the log, and receipts outside of it."""
RAW = BUCKETS["raw-data"]


LATE = -1
"""Ends at the first object outside of the log: the bundles are done."""


def number_of(path: str) -> int:
    """The number of the object in a URL; -1 if it is of another."""
    number = re.search(r"/(\d{7})\.csv", path)
    return -1 if number is None else int(number[1])


class Killed(BaseException):
    """The process ends: nobody catches it."""


def filled(objects: int, sealed: int) -> Store:
    store = Store()

    def seal_some(store: Store, registry: dict[str, Any], receipts: Receipts) -> None:
        seal(store, registry, receipts[:sealed])

    fill(store, objects, seal_some)
    store.put(
        RAW, f"{PREFIX}part={objects // 500:04d}/{objects - 3:07d}.csv", b"changed"
    )  # a finding, outside of the log
    store.close()
    return store


@dataclass
class Place:
    """A store that is served, and the folder of results."""

    endpoint: str
    store: Store
    folder: Path
    sealed: int = SEALED
    reads: list[str] = field(default_factory=list)
    """Of the last verification."""

    def check(self, ends_at: int = 0, **options: Any) -> tuple[VerificationReport, Results]:
        """Verify; it ends at its ``ends_at``-th read of an object or a bundle, or outside of the log."""
        s3 = client(self.endpoint)
        self.reads = reads = []
        lock = Lock()

        def look(params: dict[str, Any], **_: Any) -> None:
            path = params["url"].partition("//")[2].partition("/")[2]
            if not path.startswith(f"{RAW}/") and "/tile/entries/" not in path:
                return
            with lock:
                reads.append(path)
                if len(reads) == ends_at or (ends_at == LATE and number_of(path) >= self.sealed):
                    raise Killed

        s3.meta.events.register("before-call.s3.GetObject", look)
        results = Results(self.folder)
        options = {"now": WRITTEN + timedelta(hours=2), "workers": 4, "digest_keys": Keys()} | options
        return verify(s3, deployment(), results=results, **options), results

    def interrupt(self, ends_at: int, **options: Any) -> None:
        with pytest.raises(Killed):
            self.check(ends_at, **options)

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())


def client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@contextmanager
def served(objects: int = OBJECTS, sealed: int = SEALED) -> Iterator[tuple[str, Store]]:
    store = filled(objects, sealed)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        Thread(target=serve, args=(store, listener), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", store


@pytest.fixture(scope="module", autouse=True)
def from_bundles() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify_log, "FEW_RECEIPTS", 0)
        yield


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[str, Store]]:
    with served() as shared:
        yield shared


@pytest.fixture
def place(shared: tuple[str, Store], tmp_path: Path) -> Place:
    """A store that a test does not change."""
    return Place(*shared, tmp_path / "state" / "verify")


@pytest.fixture
def own_place(tmp_path: Path) -> Iterator[Place]:
    with served() as own:
        yield Place(*own, tmp_path / "state" / "verify")


def without_reuse(report: VerificationReport) -> dict[str, Any]:
    return report.to_dict() | {"reused": 0}


@pytest.fixture(scope="module")
def whole(shared: tuple[str, Store], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of a run that nothing interrupts."""
    place = Place(*shared, tmp_path_factory.mktemp("whole") / "verify")
    report, results = place.check(seed="s")
    assert (report.reused, results.problem, place.files) == (0, "", [])
    assert len(place.reads) == OBJECTS + 1
    assert {finding.claim for finding in report.findings} == {Claim.LOG_COMPLETE, Claim.OBJECT_HASH}
    return report.to_dict()


def test_interrupted_again_and_again_it_comes_to_the_same_report(tmp_path: Path) -> None:
    """Of two full bundles of the log, a partial one, and receipts outside of it."""
    with served(560, 520) as (endpoint, store):
        place = Place(endpoint, store, tmp_path / "verify", 520)
        for ends_at in (1, 200, LATE, 2, 15):
            place.interrupt(ends_at, seed="s")
        report, results = place.check(seed="s")
        assert (report.reused >= 520, results.problem) == (True, "")
        assert len(place.reads) <= 40
        assert place.files == []
        whole, _ = place.check(seed="s")
        assert without_reuse(report) == whole.to_dict()


def test_what_was_kept_is_said_and_private(place: Place) -> None:
    place.interrupt(LATE)
    (file,) = place.files
    assert (file.stat().st_mode & 0o777, place.folder.stat().st_mode & 0o777) == (0o600, 0o700)
    with pytest.raises(CannotCheckError):  # the credentials end
        verify_with_expired_token(place)
    report, results = place.check()
    assert report.reused >= SEALED
    assert results.kept == 0


def verify_with_expired_token(place: Place) -> None:
    def refuse(**_: Any) -> None:
        raise CannotCheckError("Amazon S3 cannot be used: ExpiredToken.")

    s3 = client(place.endpoint)
    s3.meta.events.register("before-call.s3.GetObject", refuse)
    verify(
        s3,
        deployment(),
        now=WRITTEN + timedelta(hours=2),
        digest_keys=Keys(),
        workers=4,
        results=Results(place.folder),
    )


@pytest.mark.parametrize("sample", [1.0, 0.9])
def test_its_sample_is_that_of_the_interrupted_run(place: Place, sample: float) -> None:
    place.interrupt(LATE, sample=sample)
    (file,) = place.files
    with closing(sqlite3.connect(file)) as database:
        ((seed,),) = database.execute("SELECT seed FROM run")
    report, _ = place.check(sample=sample)
    assert report.seed == seed
    again, _ = place.check(sample=sample, seed=seed)
    assert without_reuse(report) == again.to_dict()


def test_killed_in_the_middle(place: Place, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    child = get_context("spawn").Process(target=be_killed, args=(place.endpoint, place.folder))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    report, results = place.check(seed="s")
    assert (without_reuse(report), results.problem) == (whole, "")
    assert report.reused >= SEALED


def be_killed(endpoint: str, folder: Path) -> None:
    resume._COMMIT_SECONDS = 0.0
    verify_log.FEW_RECEIPTS = 0
    read = 0
    s3 = client(endpoint)

    def look(params: dict[str, Any], **_: Any) -> None:
        nonlocal read
        read += f"/{RAW}/{PREFIX}" in params["url"] and "/provenance/" not in params["url"]
        if read == OBJECTS - 5:
            os.kill(os.getpid(), signal.SIGKILL)

    s3.meta.events.register("before-call.s3.GetObject", look)
    now = WRITTEN + timedelta(hours=2)
    verify(s3, deployment(), now=now, digest_keys=Keys(), workers=4, seed="s", results=Results(folder))


def test_other_processes_go_on_too(
    place: Place, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.interrupt(LATE, seed="s")
    monkeypatch.setattr(reading, "WORTH_PROCESSES", 2)
    monkeypatch.setattr(verify_log, "_WORTH_BUNDLES", 1)
    report, _ = place.check(seed="s", processes=Processes(partial(client, place.endpoint), 2))
    assert without_reuse(report) == whole
    assert report.reused >= SEALED


# -- what is not reused ------------------------------------------------------------------------------------


Change = Callable[[Place, pytest.MonkeyPatch], dict[str, Any]]
"""Changes something, and returns the arguments of the next run."""


def registry(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    data = place.store.answer(f"/{BUCKETS['provenance']}/{REGISTRY_KEY}").partition(b"\r\n\r\n")[2]
    place.store.put(BUCKETS["provenance"], REGISTRY_KEY, data + b" ")
    return {}


def scope(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"scope": S3Location(RAW, PREFIX)}


def sample(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"sample": 0.99}


def seed(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"seed": "another"}


def program(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    folder = place.folder.parent / "custody"
    (folder / "verify").mkdir(parents=True)
    (folder / "other.py").write_text("other")
    monkeypatch.setattr(resume, "__file__", str(folder / "verify" / "resume.py"))
    return {}


def a_day(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    later = resume.time.time() + resume.KEEP_SECONDS + 1
    monkeypatch.setattr(resume.time, "time", lambda: later)
    return {}


def time_turned_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    earlier = resume.time.time() - 3600
    monkeypatch.setattr(resume.time, "time", lambda: earlier)
    return {}


@pytest.mark.parametrize(
    "change",
    [registry, scope, sample, seed, program, a_day, time_turned_back],
    ids=lambda change: change.__name__,
)
def test_nothing_is_reused_of_a_run_that_was_another(
    own_place: Place, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = own_place
    place.interrupt(LATE)
    report, results = place.check(**change(place, monkeypatch))
    assert (report.reused, results.problem) == (0, "")


def test_a_result_of_over_a_day_is_not_reused_though_its_file_is_young(place: Place) -> None:
    place.interrupt(LATE)
    with closing(sqlite3.connect(place.files[0])) as database, database:
        database.execute("UPDATE results SET at = at - ?", (resume.KEEP_SECONDS + 1,))
    report, results = place.check()
    assert (report.reused, results.problem) == (0, "")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag: x\r\nx-amz-version-id: v\r\n"
        b"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\nx",
    ],
    ids=["unreadable", "other bytes"],
)
def test_what_did_not_hold_is_read_again(own_place: Place, answer: bytes) -> None:
    place = own_place
    (which,) = (
        key for key in place.store._answers if key[0] == RAW and number_of(f"/{key[1]}") == 5 and key[2]
    )
    right = place.store._answers[which]
    place.store._answers[which] = answer
    place.interrupt(LATE, seed="s")
    place.store._answers[which] = right
    report, _ = place.check(seed="s")
    assert report.unchecked == ()
    assert {str(finding.claim) for finding in report.findings if "0000005" in finding.subject} == set()
    assert report.reused < SEALED


def changed_object(place: Place) -> None:
    place.store.put(RAW, f"{PREFIX}part=0000/{5:07d}.csv", b"changed")


def gone_object(place: Place) -> None:
    del place.store._entries[RAW][f"{PREFIX}part=0000/{5:07d}.csv"]
    place.store.close()


def gone_receipt(place: Place) -> None:
    entries = place.store._entries[BUCKETS["provenance"]]
    del entries[next(key for key in entries if f"/{5:07d}.csv/" in key)]
    place.store.close()


def another_registry_of_leaves(place: Place) -> None:
    """The log's index names no leaf for the receipts: none is in a bundle for it any more."""
    entries = place.store._entries[BUCKETS["provenance"]]
    for key in [key for key in entries if key.startswith("log/index/")]:
        del entries[key]
    place.store.close()


@pytest.mark.parametrize(
    "change",
    [changed_object, gone_object, gone_receipt, another_registry_of_leaves],
    ids=lambda change: change.__name__,
)
def test_what_has_changed_meanwhile_is_read_again(own_place: Place, change: Callable[[Place], None]) -> None:
    place = own_place
    place.interrupt(LATE, seed="s")
    change(place)
    report, _ = place.check(seed="s")
    fresh, _ = place.check(seed="s")
    assert without_reuse(report) == fresh.to_dict()
    assert report.reused < SEALED


def test_a_log_that_has_grown_costs_its_last_bundle_alone() -> None:
    """Of a full bundle nothing depends on the log's size; its root is compared in every run."""

    def inputs(size: int, number: int) -> object:
        task = BundleTask(number, (), (), with_entries=True, names_strays=True)
        return CheckBundles("p", frozenset({"raw"}), size, 4).inputs(task)

    assert inputs(520, 1) == inputs(600, 1)
    assert inputs(520, 2) != inputs(600, 2)
    assert inputs(520, 0) != inputs(520, 1)


# -- files that cannot be used -----------------------------------------------------------------------------


def garbage(file: Path) -> None:
    file.write_bytes(os.urandom(5000))


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def another_schema(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.executescript("DROP TABLE results; CREATE TABLE results (key); DROP TABLE run;")


def another_byte(file: Path) -> None:
    """In the middle of a value: it is read as another one."""
    with closing(sqlite3.connect(file)) as database, database:
        ((data,),) = database.execute("SELECT result FROM results").fetchall()
        at = data.index(b"REQUEST0")
        database.execute("UPDATE results SET result = ?", (data[:at] + b"r" + data[at + 1 :],))


def no_bytes(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE results SET result = 7")


def readable(file: Path) -> None:
    file.chmod(0o640)


def a_link(file: Path) -> None:
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


@pytest.mark.parametrize(
    "damage",
    [garbage, cut, another_schema, another_byte, no_bytes, readable, a_link],
    ids=lambda damage: damage.__name__,
)
def test_a_file_that_cannot_be_used_costs_only_time(
    place: Place, whole: dict[str, Any], damage: Callable[[Path], None]
) -> None:
    place.interrupt(LATE, seed="s")
    damage(place.files[0])
    report, results = place.check(seed="s")
    assert report.to_dict() == whole
    assert results.problem.endswith(".")
    assert "\n" not in results.problem


def test_any_damage_leads_to_no_other_report(place: Place, whole: dict[str, Any]) -> None:
    place.interrupt(LATE, seed="s")
    (file,) = place.files
    data = file.read_bytes()
    step = len(data) // 5
    for at in range(step // 3, len(data), step):
        file.write_bytes(data[:at] + bytes(byte ^ 0x55 for byte in data[at : at + 200]) + data[at + 200 :])
        file.chmod(0o600)
        report, _ = place.check(seed="s")
        assert without_reuse(report) == whole, f"damaged at {at}"


def test_a_folder_in_which_others_may_write_is_not_used(place: Place) -> None:
    place.interrupt(LATE)
    place.folder.chmod(0o777)
    report, results = place.check()
    assert (report.reused, len(place.files)) == (0, 1)
    assert "Others than you may write" in results.problem


def test_without_a_place_to_keep_anything_it_is_verified_all_the_same(place: Place, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    report, results = place.check()
    assert report.receipts == OBJECTS
    assert "cannot be kept" in results.problem
