"""A log that ends, and the one that goes on: exactly one end, nothing after it, and no reader misled."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from custody.cli import main
from custody.errors import EvidenceError
from custody.evidence.dsse import sign_envelope
from custody.findings import Claim, Status
from custody.log import sealer as sealer_module
from custody.log.batch import format_batch, parse_batch
from custody.log.checkpoint import Checkpoint
from custody.log.fsck import FsckReport, Place, fsck
from custody.log.note import NoteKey
from custody.log.note_keys import verify_note
from custody.log.policy import Policy
from custody.log.sealer import EndedError, LogError, Sealer
from custody.log.succession import (
    PAYLOAD_TYPE,
    LogEnd,
    LogStart,
    PlannedEnd,
    Succession,
    is_statement,
    make_statement,
    parse_statement,
    parse_succession,
    read_succession,
)
from custody.log.succession_check import check_statements, compare_declared
from custody.log.watch import BrokenLogError, watch
from tests.support.evidence import LocalSigner
from tests.support.log import (
    ENVELOPES,
    LOG_SIGNER,
    ORIGIN,
    LocalNoteSigner,
    fetch_from,
    read_whole,
    sealer,
    store_receipts,
)
from tests.support.memory_s3 import MemoryS3
from tests.support.small_log import MemoryLog, NoteSigner

SUCCESSOR = "logs.example/successor"
NEXT_SIGNER = LocalNoteSigner(origin=SUCCESSOR)
AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
END = PlannedEnd(AT, SUCCESSOR)


class Killed(BaseException):
    """The process ends: nobody catches it."""


@pytest.fixture(autouse=True)
def one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealer_module, "REQUESTS_AT_ONCE", 1)


def hourly(s3: MemoryS3, one: Sealer | None = None, end: PlannedEnd | None = END) -> bool:
    """What the sealer does every hour."""
    one = one or sealer(s3)
    one.refresh()
    one.sweep(lambda: 900.0, end)
    return end is not None and one.freeze(end)


@cache
def _swept(count: int) -> MemoryS3:
    """A log an hour after its declared end, with a receipt of which no notice told."""
    s3 = MemoryS3()
    sealer(s3).seal(store_receipts(s3, range(count)))
    store_receipts(s3, [count])
    s3.now = AT + timedelta(hours=1)
    return s3


def to_be_ended(count: int = 5) -> MemoryS3:
    base = _swept(count)
    return MemoryS3(now=base.now, objects=deepcopy(base.objects))


def ended(count: int = 5) -> MemoryS3:
    s3 = to_be_ended(count)
    assert hourly(s3)
    return s3


def says(entry: bytes) -> LogEnd | LogStart:
    statement = parse_statement(entry)
    verify_note(statement.signed, [LOG_SIGNER.key, NEXT_SIGNER.key])
    return statement.says


def require_ended(s3: MemoryS3, receipts: int) -> None:
    """The receipts in their order, then one signed statement of the end."""
    checkpoint, entries = read_whole(s3)
    assert entries[:-1] == [ENVELOPES[number][1] for number in range(receipts)]
    assert says(entries[-1]) == LogEnd(ORIGIN, receipts + 1, SUCCESSOR)
    assert checkpoint.size == receipts + 1


@pytest.mark.parametrize("count", [0, 5, 254, 255])
def test_the_end_is_sealed_once_after_all_that_was_stored_before(count: int) -> None:
    s3 = ended(count)
    require_ended(s3, count + 1)
    before = {key: len(versions) for key, versions in s3.objects.items()}
    s3.now += timedelta(days=9)
    for one in (sealer(s3), sealer(s3)):
        assert hourly(s3, one)
    assert before == {key: len(versions) for key, versions in s3.objects.items()}


def test_no_end_before_its_time_nor_before_the_last_sweep() -> None:
    s3 = to_be_ended()
    s3.now = AT + timedelta(minutes=10)
    assert not hourly(s3)
    assert not sealer(s3).freeze(END)
    s3.now = AT + timedelta(minutes=20)
    one = sealer(s3)
    assert one.sweep(lambda: 0.0, END) is not None  # it ran out of time
    assert not one.freeze(END)
    while not hourly(s3):
        s3.now += timedelta(hours=1)
    require_ended(s3, 6)


def test_after_the_end_nothing_is_sealed_and_every_receipt_is_told_of() -> None:
    s3 = ended()
    keys = [key for key, _ in ENVELOPES[:6]]
    late = store_receipts(s3, range(6, 9))
    for one in (sealer(s3), sealer(s3)):
        sealing = one.seal([*keys, *late])
        assert (sealing.sealed, sealing.failed.keys()) == (0, set(late))
        assert all(isinstance(error, EndedError) for error in sealing.failed.values())
        head = make_statement(LogEnd(ORIGIN, 1, None), [LOG_SIGNER], s3.now)
        assert one.anchor([head]) == 0
        s3.now += timedelta(days=2)
        assert one.sweep(lambda: 900.0) is None
    require_ended(s3, 6)


def test_an_end_is_an_end_even_if_it_is_not_declared_any_more() -> None:
    s3 = ended()
    late = store_receipts(s3, [6])
    for end in (None, PlannedEnd(AT + timedelta(days=300), None)):
        hourly(s3, end=end)
        assert sealer(s3).seal(late).failed.keys() == set(late)
    require_ended(s3, 6)


def test_a_batch_that_somebody_put_after_the_end_is_not_completed() -> None:
    s3 = ended()
    batch = parse_batch(s3.data(f"log/batch/{0:020d}"), 0, s3.now)
    s3.put_object(Key=f"log/batch/{7:020d}", Body=format_batch(7, batch.items))
    for act in (sealer(s3).refresh, lambda: sealer(s3).seal(store_receipts(s3, [6]))):
        with pytest.raises(LogError, match="a batch after its end"):
            act()
    require_ended(s3, 6)


def test_a_recorder_cannot_end_the_log() -> None:
    s3 = MemoryS3()
    keys = store_receipts(s3, range(2))
    for number, data in enumerate(
        (
            make_statement(LogEnd(ORIGIN, 3, None), [LOG_SIGNER], s3.now).entry,
            sign_envelope(parse_payload(LogEnd(ORIGIN, 3, None)), PAYLOAD_TYPE, LocalSigner()),
        )
    ):
        s3.put_object(Key=f"provenance/raw/forged/{number}.json", Body=data)
        sealer(s3).seal([*keys, f"provenance/raw/forged/{number}.json"])
    more = store_receipts(s3, range(2, 4))
    assert sealer(s3).seal(more).sealed == 2
    assert not any(is_statement(entry) for entry in read_whole(s3)[1])


def parse_payload(end: LogEnd) -> bytes:
    return json.dumps(
        {"type": "urn:custody:log-end:v1", "origin": end.origin, "size": end.size, "successor": None}
    ).encode()


def test_an_ended_log_is_signed_again_only_for_other_keys() -> None:
    s3 = ended()
    s3.now += timedelta(days=400)
    assert not sealer(s3).refresh()
    other = LocalNoteSigner()
    assert sealer(s3, [other]).refresh()
    assert read_whole(s3, other)[0].size == 7
    assert not sealer(s3, [other]).refresh()


# -- ends at any call ------------------------------------------------------------------------------------


def ends_at(at: int, after: bool) -> Callable[[int, str, bool], None]:
    def end(number: int, what: str, done: bool) -> None:
        if number > at or (number == at and done == after):
            raise Killed

    return end


@cache
def calls_of_an_end() -> int:
    s3 = to_be_ended()
    hourly(s3)
    return s3.calls


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_ended_at_any_call_the_next_one_ends_the_log(after: bool) -> None:
    for at in range(1, calls_of_an_end() + 1):
        s3 = to_be_ended()
        s3.interrupt = ends_at(at, after)
        with pytest.raises(Killed):
            hourly(s3)
        s3.interrupt = MemoryS3.interrupt
        read_whole(s3)
        assert hourly(s3), f"ended at call {at}"
        require_ended(s3, 6)
        assert check(place(s3)).findings == []


def test_another_sealer_at_any_call_of_an_end_loses_nothing() -> None:
    """One that ends the log, too, or one that seals and knows of no end."""
    for at in range(1, calls_of_an_end() + 1):
        for others in (lambda s3, one, _: hourly(s3, one), lambda _, one, keys: one.seal(keys)):
            s3 = to_be_ended()
            late = store_receipts(s3, [6])
            s3.calls = 0
            other = sealer(s3)

            def run(number: int, what: str, done: bool) -> None:
                if number == at and not done:  # noqa: B023 - used before the next round
                    others(s3, other, late)  # noqa: B023

            s3.interrupt = run
            assert hourly(s3)
            s3.interrupt = MemoryS3.interrupt
            _, entries = read_whole(s3)
            assert [is_statement(entry) for entry in entries] == [False] * (len(entries) - 1) + [True]
            assert says(entries[-1]) == LogEnd(ORIGIN, len(entries), SUCCESSOR), f"interleaved at call {at}"
            assert set(entries[:-1]) >= {ENVELOPES[number][1] for number in range(6)}


# -- the successor -----------------------------------------------------------------------------------------


def successor_of(s3: MemoryS3, predecessor: Checkpoint | None = None) -> MemoryS3:
    new = MemoryS3(now=s3.now)
    state = predecessor or read_whole(s3)[0]
    next_sealer(new, state).seal(store_receipts(new, range(10, 13)))
    return new


def next_sealer(s3: MemoryS3, predecessor: Checkpoint) -> Sealer:
    return sealer(s3, [NEXT_SIGNER], SUCCESSOR, predecessor)


def test_a_successor_begins_with_its_predecessors_last_state() -> None:
    old = ended()
    new = successor_of(old)
    _, entries = read_whole(new, NEXT_SIGNER)
    assert says(entries[0]) == LogStart(SUCCESSOR, read_whole(old)[0])
    assert entries[1:] == [ENVELOPES[number][1] for number in range(10, 13)]


def test_ended_at_any_call_of_its_first_seal_a_successor_has_one_beginning() -> None:
    state = read_whole(ended())[0]
    at = 0
    while True:
        at += 1
        s3 = MemoryS3()
        keys = store_receipts(s3, range(3))
        s3.calls, s3.interrupt = 0, ends_at(at, True)
        try:
            next_sealer(s3, state).seal(keys)
        except Killed:
            s3.interrupt = MemoryS3.interrupt
            next_sealer(s3, state).seal(keys)
            entries = read_whole(s3, NEXT_SIGNER)[1]
            assert [is_statement(entry) for entry in entries] == [True, False, False, False], f"call {at}"
        else:
            break
    assert at > 20


# -- readers -----------------------------------------------------------------------------------------------


def place(s3: MemoryS3) -> Place:
    return Place("m/", s3.data, lambda prefix: [key for key in s3.objects if key.startswith(prefix)])


def check(where: Place, keys: tuple[NoteKey, ...] = (LOG_SIGNER.key,), **options: object) -> FsckReport:
    return fsck(where, keys, lambda stage, done, total: None, **options)  # type: ignore[arg-type]


def test_fsck_tells_of_the_end_and_the_beginning() -> None:
    old = ended()
    new = successor_of(old)
    report = check(place(old))
    assert (report.findings, report.unchecked) == ([], [])
    assert (report.ended, report.successor, report.predecessor) == (True, SUCCESSOR, None)
    keys = (NEXT_SIGNER.key, LOG_SIGNER.key)
    report = check(place(new), keys, predecessor=lambda path: fetch_from(old, path))
    assert (report.findings, report.unchecked) == ([], [])
    assert (report.ended, report.predecessor) == (False, ORIGIN)


Wrong = Callable[[], tuple[MemoryS3, MemoryS3]]


def another_root() -> tuple[MemoryS3, MemoryS3]:
    old = ended()
    state = read_whole(old)[0]
    return old, successor_of(old, Checkpoint(state.origin, state.size, bytes(32)))


def another_size() -> tuple[MemoryS3, MemoryS3]:
    old = ended()
    state = read_whole(old)[0]
    return old, successor_of(old, Checkpoint(state.origin, state.size - 1, state.root))


def not_ended() -> tuple[MemoryS3, MemoryS3]:
    return to_be_ended(), successor_of(to_be_ended())


def another_successor() -> tuple[MemoryS3, MemoryS3]:
    old = to_be_ended()
    assert hourly(old, end=PlannedEnd(AT, "logs.example/another"))
    return old, successor_of(old)


def no_predecessor() -> tuple[MemoryS3, MemoryS3]:
    new = MemoryS3()
    sealer(new, [NEXT_SIGNER], SUCCESSOR).seal(store_receipts(new, range(3)))
    return ended(), new


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (another_root, "The predecessor is 'logs.example/custody-test' of 7 entries"),
        (another_size, "the first entry names 'logs.example/custody-test' of 6 entries"),
        (not_ended, "The predecessor has not ended"),
        (another_successor, "The predecessor names the successor 'logs.example/another'"),
        (no_predecessor, "names no predecessor"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_statement_of_the_predecessor_is_found(wrong: Wrong, words: str) -> None:
    old, new = wrong()
    keys = (NEXT_SIGNER.key, LOG_SIGNER.key)
    report = check(place(new), keys, predecessor=lambda path: fetch_from(old, path))
    (finding,) = report.findings
    assert finding.claim is Claim.LOG_CONSISTENCY
    assert words in finding.detail


def test_a_predecessor_whose_keys_are_not_known_proves_nothing() -> None:
    old = ended()
    new = successor_of(old)
    report = check(place(new), (NEXT_SIGNER.key,), predecessor=lambda path: fetch_from(old, path))
    (finding,) = report.findings
    assert "The checkpoint of the predecessor is not valid" in finding.detail


def forged(entries: list[bytes], signer: NoteSigner) -> MemoryLog:
    log = MemoryLog(signer=signer)
    log.extend(entries)
    return log


@pytest.mark.parametrize("after", [1, 300])
def test_an_entry_after_the_end_is_found(tmp_path: Path, after: int) -> None:
    signer = NoteSigner(ORIGIN)
    end = make_statement(LogEnd(ORIGIN, 4, SUCCESSOR), [_SignsAs(signer)], AT).entry
    log = forged([b"0", b"1", b"2", end], signer)
    policy = Policy([signer.key])
    assert watch(log.fetch, policy, tmp_path / "seen").end == LogEnd(ORIGIN, 4, SUCCESSOR)
    assert watch(log.fetch, policy, tmp_path / "seen").end is not None
    log.extend([b"more"] * after)
    with pytest.raises(BrokenLogError, match=f"had ended with 4 entries, and has {4 + after} now"):
        watch(log.fetch, policy, tmp_path / "seen")

    report = check(Place("m/", log.fetch, None), (signer.key,))
    wanted = f"says that the log ends with it; {after} more entries follow"
    assert [each.status for each in report.findings if wanted in each.detail] == [Status.UNEXPECTED]


def test_who_may_not_read_entries_can_watch_all_the_same(tmp_path: Path) -> None:
    signer = NoteSigner(ORIGIN)
    end = make_statement(LogEnd(ORIGIN, 2, None), [_SignsAs(signer)], AT).entry
    log = forged([b"0", end], signer)
    policy = Policy([signer.key])
    for _ in range(2):
        for path in [path for path in log.files if "entries" in path]:
            del log.files[path]
        assert watch(log.fetch, policy, tmp_path / "seen").end is None
        log.extend([b"more"])


class _SignsAs:
    """A ``StatementSigner`` with the key of a ``NoteSigner``."""

    def __init__(self, signer: NoteSigner) -> None:
        self.key = signer.key
        self._signer = signer

    def sign(self, message: bytes) -> bytes:
        return self._signer.sign(message.decode()).signature


def test_statements_that_are_not_right() -> None:
    def found(leaf: int, size: int, what: LogEnd | LogStart, signer: LocalNoteSigner = LOG_SIGNER) -> str:
        entry = make_statement(what, [signer], AT).entry
        (problem,) = check_statements({leaf: entry}, size, ORIGIN, [LOG_SIGNER.key]).problems
        return problem.detail

    state = Checkpoint(SUCCESSOR, 3, bytes(32))
    assert "ends with 9 entries" in found(3, 4, LogEnd(ORIGIN, 9, None))
    assert "of the log 'logs.example/successor'" in found(3, 4, LogEnd(SUCCESSOR, 4, None))
    assert "signed by no known key" in found(3, 4, LogEnd(ORIGIN, 4, None), LocalNoteSigner())
    assert "is not its first entry" in found(3, 9, LogStart(ORIGIN, state))
    assert "follows itself" in found(0, 9, LogStart(ORIGIN, Checkpoint(ORIGIN, 3, bytes(32))))


def test_every_changed_byte_of_a_statement_is_found() -> None:
    entry = make_statement(LogEnd(ORIGIN, 4, SUCCESSOR), [LOG_SIGNER], AT).entry
    assert check_statements({3: entry}, 4, ORIGIN, [LOG_SIGNER.key]).problems == []
    for at in range(len(entry)):
        changed = entry[:at] + bytes([entry[at] ^ 1]) + entry[at + 1 :]
        found = check_statements({3: changed}, 4, ORIGIN, [LOG_SIGNER.key])
        assert found.problems or not is_statement(changed), f"byte {at}"


# -- what is declared --------------------------------------------------------------------------------------


def registry(**log: object) -> bytes:
    return json.dumps({"keys": [], "log": {"origin": ORIGIN, "keys": [], **log}}).encode()


def end_of(at: str, successor: str | None = None) -> dict[str, object]:
    return {"end": {"at": at, "successor": successor}}


BEFORE = {"predecessor": {"origin": SUCCESSOR, "size": 3, "root": "0" * 64}}
STATE = Checkpoint(SUCCESSOR, 3, bytes(32))


def test_what_a_registry_declares() -> None:
    assert parse_succession(registry()) == Succession()
    assert parse_succession(registry(end=None, predecessor=None)) == Succession()
    declared = parse_succession(registry(**end_of("2026-03-01T12:00:00Z", "logs.example/n"), **BEFORE))
    assert declared == Succession(PlannedEnd(AT, "logs.example/n"), STATE)
    for wrong in (
        end_of("2026-03-01T12:00:00Z", ORIGIN),
        {"predecessor": {**BEFORE["predecessor"], "origin": ORIGIN}},
    ):
        with pytest.raises(EvidenceError, match="follows itself"):
            parse_succession(registry(**wrong))


def history(*versions: bytes) -> Iterator[tuple[str, datetime, bytes]]:
    for number, data in enumerate(versions):
        yield f"v{number}", datetime(2026, 3, 1 + number, tzinfo=UTC), data


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ([registry(), registry(**end_of("2026-03-09T00:00:00Z"))], None),
        ([registry(**end_of("2026-03-09T00:00:00Z")), registry()], None),
        ([registry(**end_of("2026-03-01T00:00:00Z")), registry()], "v1 changes the log's end"),
        (
            [registry(**end_of("2026-03-01T00:00:00Z")), registry(**end_of("2026-03-01T00:00:00Z", "n"))],
            "v1 changes the log's end",
        ),
        ([registry(), registry(**BEFORE), registry(**BEFORE)], None),
        ([registry(**BEFORE), registry()], "v1 changes the log's predecessor"),
    ],
    ids=["declared", "withdrawn in time", "withdrawn", "changed", "predecessor", "no predecessor any more"],
)
def test_what_was_declared_stays(versions: list[bytes], words: str | None) -> None:
    _, problems = read_succession(history(*versions))
    assert ([words in each for each in problems] == [True]) if words else problems == []


def test_statements_are_compared_with_what_was_declared() -> None:
    def compare(
        declared: Succession, *statements: LogEnd | LogStart, size: int = 7
    ) -> list[tuple[int, Status]]:
        entries = {
            (0 if isinstance(each, LogStart) else size - 1): make_statement(each, [LOG_SIGNER], AT).entry
            for each in statements
        }
        found = check_statements(entries, size, ORIGIN, [LOG_SIGNER.key])
        assert found.problems == []
        return [(leaf, status) for leaf, status, _ in compare_declared(found, declared, size)]

    end, start = LogEnd(ORIGIN, 7, SUCCESSOR), LogStart(ORIGIN, STATE)
    assert compare(Succession()) == compare(Succession(END, STATE), end, start) == []
    assert compare(Succession(END)) == []
    assert compare(Succession(), end) == [(6, Status.UNEXPECTED)]
    assert compare(Succession(PlannedEnd(AT, None)), end) == [(6, Status.FAILED)]
    assert compare(Succession(None, STATE)) == [(0, Status.MISSING)]
    assert compare(Succession(None, STATE), size=0) == []
    assert compare(Succession(), start) == [(0, Status.FAILED)]


def test_the_commands_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = ended()
    new = successor_of(old)
    for name, s3 in (("old", old), ("new", new)):
        for key in s3.objects:
            path = tmp_path / name / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(s3.data(key))
    keys = [LOG_SIGNER.key.to_verifier_key(), NEXT_SIGNER.key.to_verifier_key()]
    named = ["--key", keys[1], "--key", keys[0], "--predecessor", str(tmp_path / "old" / "log")]
    assert main(["fsck", str(tmp_path / "new"), *named]) == 0
    assert f"says that it goes on for {ORIGIN}." in capsys.readouterr().out
    (tmp_path / "policy").write_text(f"log {keys[0]}\nquorum none\n")
    for command in (
        ["fsck", str(tmp_path / "old"), "--key", keys[0]],
        [
            "watch",
            "--seen",
            f"{tmp_path}/seen",
            "--log",
            str(tmp_path / "old" / "log"),
            "--policy",
            f"{tmp_path}/policy",
        ],
    ):
        assert main(command) == 0
        assert f"The log has ended: {SUCCESSOR} goes on." in capsys.readouterr().out
