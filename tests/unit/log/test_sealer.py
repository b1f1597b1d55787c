"""The sealer: each receipt is one leaf, whatever ends it, wherever, and whoever else is sealing."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.response import StreamingBody

from custody.errors import CannotCheckError, EvidenceError
from custody.evidence.fetch import READ_ATTEMPTS
from custody.log import sealer as sealer_module
from custody.log.cosigning import RemoteWitness, Witnesses
from custody.log.merkle import leaf_hash, root_of
from custody.log.note import Algorithm, parse_note
from custody.log.note_keys import verify_note
from custody.log.sealer import LogError, Sealer
from custody.log.store import ChangedError, TooLongError
from custody.log.tree import AbsentError
from tests.support.log import (
    ENVELOPES,
    LOG_SIGNER,
    LocalNoteSigner,
    read_whole,
    sealer,
    store_receipts,
)
from tests.support.memory_s3 import MemoryS3
from tests.support.small_log import NoteSigner
from tests.support.witnesses import answering, running


class Killed(BaseException):
    """The process ends: nobody catches it."""


@pytest.fixture(autouse=True)
def one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the calls of a run have one order, and all of them can be enumerated."""
    monkeypatch.setattr(sealer_module, "REQUESTS_AT_ONCE", 1)


def sealed_world(count: int) -> MemoryS3:
    s3 = MemoryS3()
    if count:
        sealer(s3).seal(store_receipts(s3, range(count)))
    return s3


def expected(numbers: range) -> list[bytes]:
    return [ENVELOPES[number][1] for number in numbers]


def test_receipts_become_leaves_in_the_order_in_which_they_were_stored() -> None:
    s3 = MemoryS3()
    keys = store_receipts(s3, range(20))
    sealing = sealer(s3).seal(reversed(keys))
    assert (sealing.sealed, sealing.failed) == (20, {})
    assert read_whole(s3)[1] == expected(range(20))


@pytest.mark.parametrize("restarts", [False, True])
def test_a_log_grows_over_many_seals(restarts: bool) -> None:
    s3, at = MemoryS3(), 0
    one = sealer(s3)
    for count in (1, 254, 1, 1, 3, 256, 100, 7):
        one = sealer(s3) if restarts else one
        one.seal(store_receipts(s3, range(at, at + count)))
        at += count
        assert read_whole(s3)[1] == expected(range(at))


def test_a_notice_that_comes_again_adds_nothing() -> None:
    s3 = sealed_world(5)
    before = {key: len(versions) for key, versions in s3.objects.items()}
    s3.now += timedelta(days=9)
    for one in (sealer(s3), sealer(s3)):
        assert one.seal([key for key, _ in ENVELOPES[:5]]).sealed == 0
    assert before == {key: len(versions) for key, versions in s3.objects.items()}


def test_new_and_known_receipts_together_add_only_the_new_ones() -> None:
    s3 = sealed_world(5)
    one = sealer(s3)
    for at in (5, 6, 7):
        s3.now += timedelta(hours=5)
        store_receipts(s3, [at])
        assert one.seal([key for key, _ in ENVELOPES[: at + 1]]).sealed == 1
    assert read_whole(s3)[1] == expected(range(8))


def test_a_backlog_is_sealed_in_bounded_batches_that_end_with_full_tiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("custody.log.batch.MAX_BATCH_ENTRIES", 300)
    s3 = sealed_world(10)
    sealer(s3).seal(store_receipts(s3, range(10, 700)))
    assert read_whole(s3)[1] == expected(range(700))
    batches = sorted(key for key in s3.objects if key.startswith("log/batch/"))
    assert [int(key.rpartition("/")[2]) for key in batches] == [0, 10, 256, 512]


def test_one_receipt_that_cannot_be_sealed_keeps_out_no_other() -> None:
    s3 = MemoryS3()
    keys = store_receipts(s3, range(3))
    s3.put_object(Key="provenance/raw/large/v1.json", Body=b"{" + b" " * 70_000 + b"}")
    sealing = sealer(s3).seal([*keys, "provenance/raw/large/v1.json", "provenance/raw/gone/v1.json"])
    assert sealing.sealed == 3
    assert sealing.failed.keys() == {"provenance/raw/large/v1.json", "provenance/raw/gone/v1.json"}
    assert isinstance(sealing.failed["provenance/raw/large/v1.json"], TooLongError)
    assert isinstance(sealing.failed["provenance/raw/gone/v1.json"], AbsentError)
    assert read_whole(s3)[1] == expected(range(3))


def cut_short(s3: MemoryS3, key: str, times: int) -> None:
    """Have the stream of an object end in its middle, as that of a connection that is closed does."""
    get, left = s3.get_object, [times]

    def get_object(*, Key: str, **request: Any) -> dict[str, Any]:  # noqa: N803
        found = get(Key=Key, **request)
        if Key == key and left[0]:
            left[0] -= 1
            half = io.BytesIO(s3.data(Key)[: len(s3.data(Key)) // 2])
            found["Body"] = StreamingBody(half, str(found["ContentLength"]))
        return found

    s3.get_object = get_object  # type: ignore[method-assign]


def test_a_receipt_whose_stream_ends_early_is_sealed_whole() -> None:
    s3 = MemoryS3()
    keys = store_receipts(s3, range(3))
    cut_short(s3, keys[1], READ_ATTEMPTS - 1)
    assert sealer(s3).seal(keys).failed == {}
    assert read_whole(s3)[1] == expected(range(3))


def test_a_receipt_that_is_never_read_whole_is_not_sealed_and_keeps_out_no_other() -> None:
    s3 = MemoryS3()
    keys = store_receipts(s3, range(3))
    cut_short(s3, keys[2], READ_ATTEMPTS)
    sealing = sealer(s3).seal(keys)
    assert sealing.sealed == 2
    assert "could not be read" in str(sealing.failed[keys[2]])
    assert read_whole(s3)[1] == expected(range(2))
    assert sealer(s3).seal(keys).failed == {}  # a message that comes again
    assert read_whole(s3)[1] == expected(range(3))


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "SlowDown", "Message": ""}}, "GetObject"),
        EndpointConnectionError(endpoint_url="https://s3"),
    ],
)
def test_a_receipt_that_cannot_be_asked_for_keeps_out_no_other(error: Exception) -> None:
    s3 = MemoryS3()
    keys = store_receipts(s3, range(3))

    def fail(_: int, what: str, done: bool) -> None:
        if what == f"get {keys[0]}" and not done:
            raise error

    s3.interrupt = fail
    sealing = sealer(s3).seal(keys)
    assert (sealing.sealed, sealing.failed) == (2, {keys[0]: error})


def test_what_is_no_receipt_is_a_leaf_without_a_row() -> None:
    s3 = MemoryS3()
    keys = store_receipts(s3, range(2))
    for key, data in (
        ("provenance/raw/other/v1.json", b"not JSON"),
        ("provenance/raw/copy/v9.json", ENVELOPES[0][1]),
    ):
        s3.put_object(Key=key, Body=data)
        keys.append(key)
    assert sealer(s3).seal(keys).sealed == 4
    rows = segment_rows(s3)
    assert [(row["leaf_index"], row["object_key"]) for row in rows] == [
        (0, "incoming/00000.csv"),
        (1, "incoming/00001.csv"),
    ]


def segment_rows(s3: MemoryS3) -> list[dict[str, object]]:
    segments = sorted(key for key in s3.objects if key.startswith("segments/"))
    return [json.loads(line) for key in segments for line in gzip.decompress(s3.data(key)).splitlines()]


def test_segments_have_every_row_under_its_day() -> None:
    s3 = sealed_world(30)
    assert sorted(int(str(row["leaf_index"])) for row in segment_rows(s3)) == list(range(30))
    assert {key.split("/")[1] for key in s3.objects if key.startswith("segments/")} == {"dt=2026-03-01"}


# -- ends at any call -------------------------------------------------------------------------------------


START, MORE = 250, 12
"""The run that is ended crosses from one tile to the next."""


def run_to_be_ended(s3: MemoryS3) -> None:
    sealer(s3).seal([key for key, _ in ENVELOPES[START : START + MORE]])


@cache
def base_world() -> MemoryS3:
    s3 = sealed_world(START)
    store_receipts(s3, range(START, START + MORE))
    return s3


def started_world() -> MemoryS3:
    base = base_world()
    return MemoryS3(now=base.now, objects=deepcopy(base.objects))


def watch_readers(s3: MemoryS3) -> None:
    """A reader finds everything that a checkpoint names as soon as it is there."""

    def look(number: int, what: str, done: bool) -> None:
        if done and what == "put log/checkpoint":
            read_whole(s3)

    s3.interrupt = look


def test_no_reader_ever_sees_a_checkpoint_without_its_tiles() -> None:
    s3 = started_world()
    watch_readers(s3)
    run_to_be_ended(s3)
    assert read_whole(s3)[0].size == START + MORE


@cache
def undisturbed() -> tuple[int, bytes]:
    """How many calls the run makes if nothing ends it, and the root that it leads to."""
    s3 = started_world()
    run_to_be_ended(s3)
    return s3.calls, read_whole(s3)[0].root


def ends_at(at: int, after: bool) -> Callable[[int, str, bool], None]:
    def end(number: int, what: str, done: bool) -> None:
        if number > at or (number == at and done == after):
            raise Killed

    return end


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_ended_at_any_call_the_next_one_completes_it(after: bool) -> None:
    for at in range(1, undisturbed()[0] + 1):
        s3 = started_world()
        s3.interrupt = ends_at(at, after)
        with pytest.raises(Killed):
            run_to_be_ended(s3)
        watch_readers(s3)
        read_whole(s3)
        run_to_be_ended(s3)
        checkpoint, entries = read_whole(s3)
        assert (checkpoint.root, entries) == (undisturbed()[1], expected(range(START + MORE))), (
            f"ended at call {at}"
        )
        assert len(segment_rows(s3)) == START + MORE


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_ended_at_any_call_of_the_first_seal_of_all(after: bool) -> None:
    keys = [key for key, _ in ENVELOPES[:3]]
    at = 0
    while True:
        at += 1
        s3 = MemoryS3()
        store_receipts(s3, range(3))
        s3.calls, s3.interrupt = 0, ends_at(at, after)
        try:
            sealer(s3).seal(keys)
        except Killed:
            s3.interrupt = MemoryS3.interrupt
            sealer(s3).seal(keys)
            assert read_whole(s3)[1] == expected(range(3)), f"ended at call {at}"
        else:
            break
    assert at > 10


def test_ended_at_any_call_a_refresh_completes_what_was_decided() -> None:
    for at in range(1, undisturbed()[0] + 1):
        s3 = started_world()
        s3.interrupt = ends_at(at, True)
        with pytest.raises(Killed):
            run_to_be_ended(s3)
        s3.interrupt = MemoryS3.interrupt
        decided = f"log/batch/{START:020d}" in s3.objects
        sealer(s3).refresh()
        assert read_whole(s3)[0].size == (START + MORE if decided else START)


@pytest.mark.parametrize("shared", [True, False], ids=["the same notices", "other notices"])
def test_two_sealers_at_once_interleaved_at_any_call(shared: bool) -> None:
    theirs = range(START, START + MORE) if shared else range(START + MORE, START + MORE + 3)
    for at in range(1, undisturbed()[0] + 1):
        s3 = started_world()
        if not shared:
            store_receipts(s3, theirs)
            s3.calls = 0
        s3.interrupt = runs_at(at, s3, sealer(s3), [ENVELOPES[number][0] for number in theirs])
        run_to_be_ended(s3)
        checkpoint, entries = read_whole(s3)
        end = max(theirs.stop, START + MORE)
        assert sorted(entries) == sorted(expected(range(end))), f"interleaved at call {at}"
        assert not shared or checkpoint.root == undisturbed()[1]


def runs_at(at: int, s3: MemoryS3, other: Sealer, keys: list[str]) -> Callable[[int, str, bool], None]:
    def run(number: int, what: str, done: bool) -> None:
        if number == at and not done:
            watch_readers(s3)
            other.seal(keys)

    return run


def test_sealers_that_lose_again_and_again_say_so() -> None:
    s3 = started_world()

    def change_the_checkpoint(number: int, what: str, done: bool) -> None:
        if what == "put log/checkpoint" and not done:
            held = s3.objects["log/checkpoint"]
            held.append(type(held[-1])(held[-1].data, f"v{len(held)}", s3.now))

    s3.interrupt = change_the_checkpoint
    with pytest.raises(CannotCheckError, match="quicker"):
        run_to_be_ended(s3)


# -- a log that was tampered with is not appended to --------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["log/tile/0/000.p/250", "log/tile/entries/000.p/250", "log/tile/0/000.p/255"]
)
def test_a_changed_tile_or_bundle_stops_the_sealer(path: str) -> None:
    s3 = started_world()
    if path in s3.objects:
        data = s3.data(path)
        s3.objects[path][-1].data = data[:-1] + bytes([data[-1] ^ 1])
    else:  # one that the next batch would write
        store_receipts(s3, [])
        path = "log/tile/1/000.p/1"
        s3.put_object(Key=path, Body=b"other bytes")
    size = read_checkpoint_size(s3)
    with pytest.raises((LogError, ChangedError, EvidenceError)):
        run_to_be_ended(s3)
    assert read_checkpoint_size(s3) == size


def read_checkpoint_size(s3: MemoryS3) -> int:
    return int(s3.data("log/checkpoint").split(b"\n")[1])


def test_a_removed_checkpoint_is_not_begun_again() -> None:
    s3 = started_world()
    del s3.objects["log/checkpoint"]
    with pytest.raises(LogError, match="somebody removed it"):
        run_to_be_ended(s3)
    assert "log/checkpoint" not in s3.objects


def test_an_older_checkpoint_that_was_put_back_leads_to_the_same_log() -> None:
    s3 = sealed_world(10)
    old = s3.data("log/checkpoint")
    sealer(s3).seal(store_receipts(s3, range(10, 20)))
    root = read_whole(s3)[0].root
    s3.put_object(Key="log/checkpoint", Body=old)
    store_receipts(s3, [20])
    sealer(s3).seal([ENVELOPES[20][0]])
    assert read_whole(s3)[1] == expected(range(21))
    assert root_of_first(s3, 20) == root


def root_of_first(s3: MemoryS3, size: int) -> bytes:
    return root_of([leaf_hash(entry) for entry in read_whole(s3)[1][:size]])


def test_a_checkpoint_of_another_log_stops_the_sealer() -> None:
    s3 = started_world()
    s3.objects["log/checkpoint"][-1].data = s3.data("log/checkpoint").replace(
        b"custody-test", b"custody-prod", 1
    )
    with pytest.raises(LogError, match="is of the log"):
        run_to_be_ended(s3)


# -- freshness, signatures, receipts without a notice ------------------------------------------------------


def test_nothing_new_writes_nothing_and_a_day_old_checkpoint_is_signed_again() -> None:
    s3 = sealed_world(3)
    versions = len(s3.objects["log/checkpoint"])
    assert sealer(s3).refresh() is False
    assert len(s3.objects["log/checkpoint"]) == versions
    s3.now += timedelta(hours=21)
    assert sealer(s3).refresh() is True
    assert len(s3.objects["log/checkpoint"]) == versions + 1
    assert read_whole(s3)[1] == expected(range(3))


def test_a_checkpoint_by_keys_that_are_not_the_present_ones_is_signed_again() -> None:
    s3, second = sealed_world(3), LocalNoteSigner()
    for signers in ((LOG_SIGNER, second), (second,)):
        assert sealer(s3, signers).refresh() is True
        note = parse_note(s3.data("log/checkpoint"))
        assert [line.key_id for line in note.signatures] == [signer.key.key_id for signer in signers]
        assert sealer(s3, signers).refresh() is False


def test_every_signer_signs() -> None:
    s3, second = MemoryS3(), LocalNoteSigner()
    sealer(s3, (LOG_SIGNER, second)).seal(store_receipts(s3, range(2)))
    note = parse_note(s3.data("log/checkpoint"))
    assert {each.key for each in verify_note(note, [LOG_SIGNER.key, second.key])} == {
        LOG_SIGNER.key,
        second.key,
    }


def test_a_sweep_finds_receipts_that_no_notice_told_of() -> None:
    s3 = sealed_world(4)
    store_receipts(s3, range(4, 9))
    s3.now += timedelta(hours=1)
    store_receipts(s3, [9])  # so young that its notice may still come
    assert sealer(s3).sweep(lambda: 900) == 5
    assert read_whole(s3)[1] == expected(range(9))
    assert sealer(s3).sweep(lambda: 900) is None
    s3.now += timedelta(days=1)
    assert sealer(s3).sweep(lambda: 900) == 1
    assert read_whole(s3)[1] == expected(range(10))


def test_a_sweep_that_runs_out_of_time_goes_on_at_the_next_call() -> None:
    s3 = MemoryS3()
    store_receipts(s3, range(9))
    s3.now += timedelta(hours=1)
    assert [sealer(s3).sweep(lambda: 10) for _ in range(5)] == [3, 3, 3, 0, None]
    assert read_whole(s3)[1] == expected(range(9))


def test_a_sweep_that_cannot_read_a_receipt_looks_at_it_again() -> None:
    """No other sweep would: the next one begins where this one began, and a frozen log takes nothing more."""
    s3 = MemoryS3()
    keys = store_receipts(s3, range(3))
    s3.now += timedelta(hours=1)
    cut_short(s3, keys[1], READ_ATTEMPTS)
    with pytest.raises(CannotCheckError, match="could not be read"):
        sealer(s3).sweep(lambda: 900)
    assert len(read_whole(s3)[1]) == 2
    assert sealer(s3).sweep(lambda: 900) == 1
    assert sorted(read_whole(s3)[1]) == sorted(expected(range(3)))
    assert sealer(s3).sweep(lambda: 900) is None


# -- witnesses ---------------------------------------------------------------------------------------------


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[tuple[RemoteWitness, list[str]]]:
    with running(tmp_path, [LOG_SIGNER.key]) as found:
        yield found


Running = tuple[RemoteWitness, list[str]]


def cosigners(s3: MemoryS3, witness: RemoteWitness) -> list[bytes]:
    """The lines of the newest checkpoint, each checked, that are a witness's."""
    note = parse_note(s3.data("log/checkpoint"))
    return [one.key.key_id for one in verify_note(note, [LOG_SIGNER.key, witness.key]) if one.seconds]


def test_the_newest_checkpoint_is_cosigned_once(witness: Running) -> None:
    s3, witnesses = sealed_world(3), Witnesses([witness[0]])
    for more in (range(0), range(3, 300), range(300, 301)):
        sealer(s3).seal(store_receipts(s3, more))
        for added in (1, 0, 0):
            versions = len(s3.objects["log/checkpoint"])
            assert sealer(s3).cosign(witnesses) == added
            assert len(s3.objects["log/checkpoint"]) == versions + added
            assert len(cosigners(s3, witness[0])) == 1
    assert len(witness[1]) == 3
    assert read_whole(s3)[1] == expected(range(301))


def test_a_checkpoint_that_is_signed_again_is_cosigned_again(witness: Running) -> None:
    s3, witnesses = sealed_world(3), Witnesses([witness[0]])
    sealer(s3).cosign(witnesses)
    s3.now += timedelta(hours=21)
    assert sealer(s3).refresh() is True
    assert cosigners(s3, witness[0]) == []
    assert sealer(s3).cosign(witnesses) == 1


def test_a_log_without_entries_is_cosigned(witness: Running) -> None:
    s3 = MemoryS3()
    assert sealer(s3).cosign(Witnesses([witness[0]])) == 1
    assert len(cosigners(s3, witness[0])) == 1


def test_a_second_witness_is_asked_alone(witness: Running, tmp_path: Path) -> None:
    s3 = sealed_world(3)
    sealer(s3).cosign(Witnesses([witness[0]]))
    with running(tmp_path / "second", [LOG_SIGNER.key], "second.example") as (second, _):
        assert sealer(s3).cosign(Witnesses([witness[0], second])) == 1
    note = parse_note(s3.data("log/checkpoint"))
    assert len(verify_note(note, [LOG_SIGNER.key, witness[0].key, second.key])) == 3
    assert len(witness[1]) == 1


def test_without_witnesses_nobody_is_asked_and_nothing_is_written() -> None:
    s3 = sealed_world(3)
    versions = len(s3.objects["log/checkpoint"])
    assert sealer(s3).cosign(Witnesses([])) == 0
    assert len(s3.objects["log/checkpoint"]) == versions


def test_a_checkpoint_by_a_key_that_ended_is_not_stored_anew(witness: Running) -> None:
    s3 = sealed_world(3)
    assert sealer(s3, (LocalNoteSigner(),)).cosign(Witnesses([witness[0]])) == 0
    assert witness[1] == []


def test_a_wrong_line_is_not_stored_and_is_told_of(witness: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    s3, told = sealed_world(3), list[tuple[str, float]]()
    wrong = NoteSigner("wrong.example", Algorithm.ED25519_COSIGNATURE)

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        line = wrong.sign("another text\n").to_line().encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(line)))
        handler.end_headers()
        handler.wfile.write(line)

    one = sealer(s3)
    monkeypatch.setattr(one._metrics, "add_metric", lambda name, unit, value: told.append((name, value)))
    with answering(answer, wrong.key) as liar:
        assert one.cosign(Witnesses([liar, witness[0]])) == 1
        assert one.cosign(Witnesses([liar, witness[0]])) == 0
    note = parse_note(s3.data("log/checkpoint"))
    assert len(verify_note(note, [LOG_SIGNER.key, witness[0].key, wrong.key])) == 2
    assert told == [("FailedWitnesses", 1), ("CosignaturesAdded", 1), ("FailedWitnesses", 1)]


def hourly(s3: MemoryS3, witnesses: Witnesses) -> None:
    one = sealer(s3)
    one.seal([key for key, _ in ENVELOPES[START : START + MORE]])
    one.refresh()
    one.cosign(witnesses)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_ended_at_any_call_the_next_one_has_it_cosigned(tmp_path: Path, after: bool) -> None:
    """The witness keeps what it cosigned, whatever became of it here."""
    ended, at = True, 0
    while ended:
        at += 1
        s3 = started_world()
        with running(tmp_path / str(at), [LOG_SIGNER.key]) as (witness, _):
            sealer(s3).cosign(Witnesses([witness]))
            s3.calls, s3.interrupt = 0, ends_at(at, after)
            try:
                hourly(s3, Witnesses([witness]))
                ended = False
            except Killed:
                watch_readers(s3)
                read_whole(s3)
                hourly(s3, Witnesses([witness]))
            assert read_whole(s3)[0].root == undisturbed()[1], f"ended at call {at}"
            assert len(cosigners(s3, witness)) == 1, f"ended at call {at}"
    assert at > undisturbed()[0] + 5


def test_a_sealer_that_publishes_meanwhile_wins(witness: Running) -> None:
    s3 = started_world()

    def publish(number: int, what: str, done: bool) -> None:
        if what == "put log/checkpoint":
            s3.interrupt = MemoryS3.interrupt
            run_to_be_ended(s3)

    s3.interrupt = publish
    assert sealer(s3).cosign(Witnesses([witness[0]])) == 0
    assert read_whole(s3)[1] == expected(range(START + MORE))
    assert cosigners(s3, witness[0]) == []
    assert sealer(s3).cosign(Witnesses([witness[0]])) == 1
    assert len(cosigners(s3, witness[0])) == 1
