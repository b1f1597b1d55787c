"""Manifests: each version in exactly one, for any number of gates and wherever one stops."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from custody.errors import CannotCheckError, EvidenceError
from custody.etl.manifest import Entry, write_manifest
from custody.evidence.envelope import parse_envelope
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import parse_statement
from custody.gate import manifests as gate_manifests
from custody.gate import table as gate_table
from custody.gate.manifests import Chain, Digests, Source
from tests.unit.gate_world import ETL, GATE, INSIDER, S3, START, CrashError, GateWorld, Lifeline

SOURCE = Source("customers", "raw", "incoming/customers/")
FOLDER = "manifests/customers/"


@pytest.fixture
def world() -> GateWorld:
    return GateWorld()


def chain(world: GateWorld, lifeline: Lifeline | None = None) -> Chain:
    s3: Any = S3(world, lifeline or Lifeline())
    found = Chain(s3, "processed", SOURCE, partial(own, world))
    found.read()
    return found


def own(world: GateWorld, key: str) -> bytes:
    """An object that is the gate's own according to its receipt."""
    stored = world.objects["processed", key][-1]
    version = ObjectVersion("processed", key, stored.version_id)
    receipt = world.objects["provenance", version.receipt_key][-1].body or b""
    statement = parse_statement(parse_envelope(receipt).payload)
    if statement.event.principal_id != GATE or statement.sha256 != sha256(stored.body or b"").hexdigest():
        raise EvidenceError("Not the gate's own.")
    return stored.body or b""


def entry(name: str, size: int = 1, **changes: str) -> Entry:
    place = {"bucket": "raw", "key": f"incoming/customers/{name}", "version_id": "v"} | changes
    return Entry(ObjectVersion(**place), "ab" * 32, size, START)


def append(chain: Chain, *names: str) -> list[str] | None:
    written = chain.append([entry(name) for name in names], START)
    return None if written is None else [each.version.key.rpartition("/")[2] for each in written[1]]


def keys(world: GateWorld) -> list[str]:
    return sorted(key for bucket, key in world.objects if bucket == "processed")


@given(
    st.lists(st.binary(min_size=16, max_size=16), unique=True), st.sets(st.binary(min_size=16, max_size=16))
)
def test_digests_are_found_and_merged(known: list[bytes], more: set[bytes]) -> None:
    digests = Digests(b"".join(sorted(known)))
    assert all(digest in digests for digest in known)
    assert {digest for digest in more if digest in digests} == more & set(known)
    merged = digests.merged(more - set(known))
    assert merged == b"".join(sorted(more | set(known)))
    assert list(Digests(merged)) == sorted(more | set(known))


def test_manifests_are_numbered_without_a_gap(world: GateWorld) -> None:
    one = chain(world)
    assert append(one, "a", "b") == ["a", "b"]
    assert append(one, "b", "c") == ["c"]
    assert append(one, "a", "c") is None
    assert keys(world) == [f"{FOLDER}0000000001.json", f"{FOLDER}0000000002.json"]
    again = chain(world)
    assert [manifest.number for manifest in again.waiting(())] == [1, 2]
    assert all(entry(name).version in again for name in "abc")
    assert entry("d").version not in again


def test_a_version_that_is_listed_twice_is_handed_out_once(world: GateWorld) -> None:
    assert append(chain(world), "a", "a") == ["a"]
    chain(world)


def test_a_gate_that_comes_second_leaves_out_what_the_first_handed_out(world: GateWorld) -> None:
    one, other = chain(world), chain(world)
    assert append(one, "a", "b") == ["a", "b"]
    assert append(other, "b", "c") == ["c"]
    assert append(one, "c") is None
    assert append(one, "d") == ["d"]
    assert len(world.handed_out()) == len(set(world.handed_out())) == 4


def test_a_number_that_is_taken_and_not_listed_ends_the_call(world: GateWorld) -> None:
    append(chain(world), "a")

    class Blind(S3):
        def _list(self, **_: Any) -> list[str]:
            return []

    blind: Any = Blind(world, Lifeline())
    one = Chain(blind, "processed", SOURCE, partial(own, world))
    with pytest.raises(CannotCheckError, match="exists, but is not listed"):
        append(one, "b")


def test_what_is_done_does_not_wait(world: GateWorld) -> None:
    one = chain(world)
    append(one, "a")
    append(one, "b")
    first, second = one.waiting(())
    assert one.waiting({first.sha256}) == [second]
    assert one.uri(second) == f"s3://processed/{FOLDER}0000000002.json?versionId={second.version_id}"


def good(**changes: Any) -> bytes:
    return write_manifest("customers", [entry("a", **changes)], START)


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("0000000001.json", good(), None),
        ("0000000002.json", good(), "0000000001.json should be"),
        ("0000000001.json~", good(), "should be"),
        ("README", good(), "should be"),
        ("0000000001.json", b"{}", "not a string"),
        ("0000000001.json", b"not JSON", "strict JSON"),
        ("0000000001.json", write_manifest("orders", [entry("a")], START), "manifest for 'orders'"),
        ("0000000001.json", good(bucket="other"), "not an object of its table"),
        ("0000000001.json", good(key="scratch/a"), "not an object of its table"),
    ],
)
def test_what_no_gate_wrote_so_ends_the_call(
    world: GateWorld, name: str, body: bytes, why: str | None
) -> None:
    world.put("processed", FOLDER + name, body)
    if why is None:
        assert entry("a").version in chain(world)
    else:
        with pytest.raises(EvidenceError, match=why):
            chain(world)


@pytest.fixture
def _folds_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_manifests, "FOLD_MANIFESTS", 2)


@pytest.mark.usefixtures("_folds_often")
def test_a_summary_takes_the_place_of_the_manifests_before_it(world: GateWorld) -> None:
    one = chain(world)
    append(one, "a")
    one.fold(())
    assert len(keys(world)) == 1
    append(one, "b")
    done = {one.waiting(())[0].sha256}
    one.fold(done)
    assert keys(world)[-1] == f"{FOLDER}_seen/0000000002.bin"
    append(one, "c")
    # nobody reads these again
    del world.objects["processed", f"{FOLDER}0000000001.json"]
    del world.objects["processed", f"{FOLDER}0000000002.json"]
    again = chain(world)
    assert all(entry(name).version in again for name in "abc")
    assert [manifest.number for manifest in again.waiting(done)] == [2, 3]
    assert append(again, "a", "d") == ["d"]
    again.fold(done)
    assert keys(world)[-1] == f"{FOLDER}_seen/0000000004.bin"
    last = chain(world)
    assert all(entry(name).version in last for name in "abcd")
    assert [manifest.number for manifest in last.waiting(done)] == [2, 3, 4]


def test_a_summary_is_written_for_many_versions_too(
    world: GateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_manifests, "FOLD_VERSIONS", 3)
    one = chain(world)
    append(one, "a", "b")
    one.fold(())
    assert len(keys(world)) == 1
    append(one, "c")
    one.fold(())
    assert len(keys(world)) == 3


@pytest.mark.usefixtures("_folds_often")
@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda body: body, None),
        (lambda _: b"", "strict JSON"),
        (lambda body: body.replace(b"seen:v1", b"seen:v2"), "does not match its key"),
        (lambda body: body.replace(b"customers", b"orders"), "does not match its key"),
        (lambda body: body.replace(b'"through":2', b'"through":1'), "does not match its key"),
        (lambda body: body[:-1], "as many versions"),
        (lambda body: body + b"0" * 16, "as many versions"),
    ],
)
def test_a_summary_that_is_not_what_its_place_says_is_passed_over(
    world: GateWorld, damage: Any, why: str | None
) -> None:
    """The manifests are read instead, so nothing is handed out twice, and nothing is omitted."""
    one = chain(world)
    append(one, "a")
    append(one, "b")
    one.fold(())
    place = ("processed", f"{FOLDER}_seen/0000000002.bin")
    world.objects[place][0].body = damage(world.objects[place][0].body)
    world.record(ObjectVersion(*place, world.objects[place][0].version_id), principal=GATE)
    again = chain(world)
    assert entry("a").version in again
    assert entry("b").version in again
    assert append(again, "a", "c") == ["c"]
    assert (again.doubted == []) == (why is None)
    assert all(why in sentence for sentence in again.doubted if why)


@pytest.mark.usefixtures("_folds_often")
@pytest.mark.parametrize("principal", [None, INSIDER, ETL])
def test_a_summary_of_another_writer_is_passed_over(world: GateWorld, principal: str | None) -> None:
    one = chain(world)
    append(one, "a")
    append(one, "b")
    one.fold(())
    key = f"{FOLDER}_seen/0000000009.bin"
    forged = b'{"type":"urn:custody:seen:v1","table":"customers","through":9,"versions":0,"waiting":[]}\n'
    world.record(
        ObjectVersion("processed", key, world.put("processed", key, forged).version_id), principal=principal
    )
    for name in ("abc.bin", "0000000008.bin~", "x", "00000000080.bin"):
        world.put("processed", f"{FOLDER}_seen/{name}", b"x")
    del world.objects["processed", f"{FOLDER}0000000001.json"]  # the older summary holds it
    again = chain(world)
    assert len(again.doubted) == 1
    assert append(again, "a", "c") == ["c"]
    assert world.manifests()[-1].entries[0].version == entry("c").version


def test_what_a_decision_releases_is_handed_out_once_for_it(world: GateWorld) -> None:
    one = chain(world)
    append(one, "a")
    for decision, wanted in (("d1", True), ("d1", False), ("d2", True)):
        released = replace(entry("a"), decision=decision)
        assert (one.append([released], START) is not None) is wanted
        assert one.has_for(released.version, decision)
        one = chain(world)
    assert not one.has_for(entry("a").version, "d3")


NAMES = [f"incoming/customers/{name}" for name in "abcdefg"]
Interruption = tuple[int, bool, int | None]
"""The call at which the outer gate crashes, and whether after it; and the call before which another gate
runs."""


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_each_version_is_handed_out_once_whatever_happens(
    data: st.DataObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_manifests, "FOLD_MANIFESTS", 2)
    monkeypatch.setattr(gate_table, "MAX_ENTRIES", 2)
    world = GateWorld()
    numbers = st.integers(1, 40)
    proven, unproven = [], []
    for _ in range(data.draw(st.integers(1, 4), "gates")):
        for key in data.draw(st.lists(st.sampled_from(NAMES), max_size=4), "arrivals"):
            recorded = data.draw(st.booleans(), "recorded")
            (proven if recorded else unproven).append(world.arrive(key, recorded=recorded))
        world.now += timedelta(minutes=15)

        def another(dies_at: int | None = data.draw(st.none() | numbers, "inner dies")) -> None:
            run(world, Lifeline(dies_at))

        before = dict.fromkeys(data.draw(st.sets(numbers, max_size=2), "lets in"), another)
        dies_at = data.draw(st.none() | numbers, "dies")
        run(world, Lifeline(dies_at, after=data.draw(st.booleans(), "after"), before=before))
        if world.running("silver-customers") is not None:
            ended = data.draw(st.sampled_from(["SUCCEEDED", "FAILED", None]), "ends")
            if ended is not None:
                world.finish("silver-customers", ended, publishes=ended == "SUCCEEDED")
    settle(world)

    assert sorted(world.handed_out()) == sorted(proven)
    assert world.report() == dict.fromkeys(unproven, "no receipt") if unproven else True
    numbers_written = [key for key in keys(world) if key.startswith(f"{FOLDER}0")]
    assert numbers_written == [f"{FOLDER}{n:010d}.json" for n in range(1, len(numbers_written) + 1)]
    done = {key.rpartition("-")[2].removesuffix(".json") for key in keys(world) if "_lineage" in key}
    assert done == {manifest.sha256 for manifest in world.manifests()}


def run(world: GateWorld, lifeline: Lifeline) -> None:
    with suppress(CrashError):
        world.call({"table": "customers"}, lifeline=lifeline)


def settle(world: GateWorld) -> None:
    """Run gates and jobs until nothing changes, past the watermark."""
    world.now += timedelta(days=2)
    while True:
        if world.running("silver-customers"):
            world.finish("silver-customers")
        if world.call({"table": "customers"})["tables"]["customers"]["state"] == "idle":
            return


def test_bytes_bound_a_manifest_as_well(world: GateWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_table, "MAX_BYTES", 10)
    sizes = [4, 4, 4, 30, 1, 10, 1]
    for number, size in enumerate(sizes):
        world.arrive(f"incoming/customers/{number}", b"x" * size)
    answer = world.call({"table": "customers"})["tables"]["customers"]
    assert (answer["entries"], answer["bytes"]) == (7, sum(sizes))
    assert [[e.size_bytes for e in m.entries] for m in world.manifests()] == [
        [4, 4],
        [4],
        [30],
        [1],
        [10],
        [1],
    ]
