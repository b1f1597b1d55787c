"""Verification of the sealed log: whatever was done to it is found and located, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from custody.evidence.objects import ObjectVersion, S3Location
from custody.findings import Claim, Finding, Status
from custody.log.batch import Sealable
from custody.log.checkpoint import Checkpoint
from custody.log.note import Note, NoteKey, NoteSignature, parse_note
from custody.log.tiles import pack_entries
from custody.log.trail_heads import find_heads
from custody.times import format_time
from custody.verify import log as verify_log
from custody.verify.verify import VerificationReport, verify
from tests.support.digests import DigestFile, Keys
from tests.support.evidence import LocalSigner, World, log_file, refused, trail_record, worlds
from tests.support.log import ORIGIN, LocalNoteSigner
from tests.support.sealed import SealedWorld, later

LOG = (
    Claim.LOG_CHECKPOINT,
    Claim.LOG_CONSISTENCY,
    Claim.LOG_INCLUSION,
    Claim.LOG_COMPLETE,
    Claim.LEDGER_ROW,
    Claim.KEY_USE,
)


@pytest.fixture(scope="module")
def new_world() -> Iterator[Callable[[], World]]:
    with worlds() as new:
        yield new


@pytest.fixture
def sealed(new_world: Callable[[], World]) -> SealedWorld:
    return SealedWorld(new_world())


@pytest.fixture(params=["receipts", "bundles"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Receipts are read from their own objects, or from the log's bundles."""
    if request.param == "bundles":
        monkeypatch.setattr(verify_log, "FEW_RECEIPTS", 0)
    return str(request.param)


def check(sealed: SealedWorld, hours: float = 2, **options: Any) -> VerificationReport:
    options = {"workers": 4, "digest_keys": Keys()} | options
    return verify(sealed.s3, sealed.world.deployment, now=later(hours), **options)


def found(report: VerificationReport) -> set[tuple[Claim, Status, str]]:
    assert report.exit_code == 1
    return {(finding.claim, finding.status, finding.subject) for finding in report.findings}


def of_log(report: VerificationReport) -> list[Finding]:
    return [finding for finding in report.findings if finding.claim in LOG]


def counts(report: VerificationReport) -> dict[Claim, tuple[int, int]]:
    return {claim: (report.claims[claim].checked, report.claims[claim].passed) for claim in LOG}


def test_nothing_is_found_where_everything_holds(sealed: SealedWorld, way: str) -> None:
    sealed.grow(3, 1, 5)
    report = check(sealed)
    assert (report.findings, report.unchecked, report.notes) == ((), (), ())
    assert counts(report) == {
        Claim.LOG_CHECKPOINT: (4, 4),
        Claim.LOG_CONSISTENCY: (4, 4),
        Claim.LOG_INCLUSION: (9, 9),
        Claim.LOG_COMPLETE: (9, 9),
        Claim.LEDGER_ROW: (9, 9),
        Claim.KEY_USE: (4, 4),
    }
    assert report.receipts_read == 9


def test_a_receipt_that_cannot_be_read_is_unchecked_and_no_finding(sealed: SealedWorld) -> None:
    first, *_ = sealed.grow(3)
    with refused(sealed.s3, "GetObject", 403, "AccessDenied", key=first.receipt_key):
        report = check(sealed)
    assert (report.findings, report.exit_code) == ((), 3)
    (sentence,) = report.unchecked
    assert first.receipt_key in sentence


# The tamper matrix


BUNDLE, TILE, CHECKPOINT = "log/tile/entries/000.p/9", "log/tile/0/000.p/9", "log/checkpoint"
UNIQUE, INCLUSION, COMPLETE, CONSISTENCY, ROW = (
    Claim.RECEIPT_UNIQUE,
    Claim.LOG_INCLUSION,
    Claim.LOG_COMPLETE,
    Claim.LOG_CONSISTENCY,
    Claim.LEDGER_ROW,
)


def start_of(sealed: SealedWorld, leaf: int) -> int:
    """The byte at which an entry begins in the bundle."""
    return sum(2 + len(entry) for entry in sealed.entries()[:leaf]) + 2


Tampering = Callable[[SealedWorld, list[ObjectVersion]], list[tuple[Claim, str, str]]]
"""Does it, and returns what must be found: claim, the subject's end, and words of the detail."""


def flip_payload(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    at = start_of(sealed, 4)
    sealed.flip(f"{BUNDLE}", at + 30)
    return [(INCLUSION, BUNDLE, f"Leaf 4 (byte {at - 2})")]


def flip_signature(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    at = start_of(sealed, 5) - 2
    sealed.flip(BUNDLE, at - 12)
    return [(INCLUSION, BUNDLE, "Leaf 4 (byte")]


def flip_length(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.flip(BUNDLE, start_of(sealed, 3) - 1)
    return [(INCLUSION, BUNDLE, "does not have exactly 9 entries")]


def flip_tile(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.flip(TILE, 32 * 6 + 5)
    return [(INCLUSION, TILE, "Leaf 6 (byte 192): the hash")]


def flip_checkpoint(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.flip(CHECKPOINT, len(sealed.read(CHECKPOINT)) - 20)
    return [(Claim.LOG_CHECKPOINT, "", "")]


def flip_segment(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    key = sealed.rewrite_rows(lambda rows: [rows[0], rows[1].replace(b"alice", b"mallory"), *rows[2:]])
    return [(ROW, key, "Row 2: It is not what leaf 1 gives.")]


def drop_row(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    key = sealed.rewrite_rows(lambda rows: rows[:1] + rows[2:])
    return [(ROW, key, "The row of leaf 1 is missing.")]


def double_row(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    key = sealed.rewrite_rows(lambda rows: [*rows, rows[0]])
    return [(ROW, key, "Row 4: It is of leaf 0, which has a row already")]


def move_segment(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    key = sealed.keys("segments/")[0]
    name = f"segments/dt=2031-01-01/{key.rpartition('/')[2]}"
    sealed.put(name, sealed.read(key))
    sealed.delete(sealed.bucket, key)
    return [(ROW, name, "belongs to the day")]


def delete_segment(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.delete(sealed.bucket, sealed.keys("segments/")[0])
    return [(ROW, "", f"The row of leaf {leaf} is missing.") for leaf in range(3)]


def add_segment(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    key = "segments/dt=2026-01-01/" + "0" * 19 + "1-" + "0" * 19 + "2.ndjson.gz"
    sealed.put(key, sealed.read(sealed.keys("segments/")[0]))
    return [(ROW, key, "No batch of the log begins with its first leaf.")]


def delete_receipt(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.delete(sealed.bucket, versions[4].receipt_key)
    return [
        (COMPLETE, versions[4].uri, "Its receipt was sealed as leaf 4, and is gone."),
        (UNIQUE, versions[4].uri, ""),
    ]


def delete_both(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.delete(sealed.bucket, versions[4].receipt_key)
    sealed.delete(sealed.world.raw, versions[4].key)
    gone = "Its receipt was sealed as leaf 4, and is gone."
    return [(COMPLETE, versions[4].uri, gone), (Claim.TRAIL_EVENT, versions[4].uri, "")]


def truncate(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    """The last batch is taken back, with its receipts."""
    versions_of = sealed.s3.list_object_versions(Bucket=sealed.bucket, Prefix=CHECKPOINT)["Versions"]
    sealed.s3.delete_object(Bucket=sealed.bucket, Key=CHECKPOINT, VersionId=versions_of[0]["VersionId"])
    return [(COMPLETE, each.uri, "is not in the log") for each in versions[4:]]


def roll_back(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    old = sealed.s3.list_object_versions(Bucket=sealed.bucket, Prefix=CHECKPOINT)["Versions"][1]
    data = sealed.s3.get_object(Bucket=sealed.bucket, Key=CHECKPOINT, VersionId=old["VersionId"])[
        "Body"
    ].read()
    sealed.put(CHECKPOINT, data)
    return [(CONSISTENCY, "", "rolled back: it has 4 entries and had 9")]


def fork(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    """The log goes on from its fourth entry with others, signed with its own key."""
    entries = sealed.entries()
    sealed.rewrite([*entries[:4], *reversed(entries[4:])])
    return [
        (CONSISTENCY, "", "There are two different logs of 9 entries."),
        *((INCLUSION, versions[4 + at].uri, "The receipt is not what was sealed") for at in (0, 1, 3, 4)),
    ]


def reorder(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    entries = sealed.entries()
    entries[2], entries[6] = entries[6], entries[2]
    sealed.replace(BUNDLE, lambda _: pack_entries(entries))
    return [(INCLUSION, BUNDLE, "Leaf 2 (byte"), (INCLUSION, BUNDLE, "Leaf 6 (byte")]


def duplicate(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    """The sealer's key signs a log in which one receipt is twice."""
    sealed.rewrite([*sealed.entries(), sealed.entries()[3]])
    return [(COMPLETE, versions[3].uri, "Its receipt was sealed twice: as leaf 3 and as leaf 9.")]


def replay(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    """An old receipt is stored under the key of an object that has none, and sealed there."""
    copied = sealed.world.put("incoming/copied.csv", b"x")
    sealed.world.witness(copied)
    sealed.put(copied.version.receipt_key, sealed.read(versions[0].receipt_key))
    sealed.seal([copied.version])
    return [(Claim.RECEIPT_SIGNATURE, copied.version.uri, "belongs under another key")]


def replace_receipt(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    """The same bytes, stored again in the place of what was sealed."""
    data = sealed.read(versions[2].receipt_key)
    sealed.delete(sealed.bucket, versions[2].receipt_key)
    sealed.put(versions[2].receipt_key, data)
    return [(COMPLETE, versions[2].uri, "is not the one that was sealed as leaf 2: it was replaced.")]


def lengthen_receipt(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    data = sealed.read(versions[2].receipt_key)
    sealed.delete(sealed.bucket, versions[2].receipt_key)
    sealed.put(versions[2].receipt_key, data + b" ")
    return [(COMPLETE, versions[2].uri, "is not the one that was sealed as leaf 2: it was replaced.")]


def sign_with_another_key(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    """All of it is made anew and signed with a key of the attacker's."""
    sealed.rewrite(sealed.entries()[:4], LocalNoteSigner())
    return [(Claim.LOG_CHECKPOINT, "", "signed by no known key")]


def swap_key(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    mine = LocalNoteSigner()
    sealed.rewrite(sealed.entries(), mine)
    sealed.register(public_key=mine.local.public_key)
    return [
        (Claim.LOG_CHECKPOINT, "keys/registry.json", "replaces the public key"),
        (Claim.LOG_CHECKPOINT, "", "signed by no known key"),
    ]


def downgrade(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    """The line of the checkpoint says that its signature is of another kind."""
    note = parse_note(sealed.read(CHECKPOINT))
    key = NoteKey(ORIGIN, 0xFA, sealed.signer.key.public_key)
    line = NoteSignature(ORIGIN, key.key_id, note.signatures[0].signature)
    sealed.put(CHECKPOINT, Note(note.text, (line,)).to_bytes())
    return [(Claim.LOG_CHECKPOINT, "", "signed by no known key")]


def change_origin(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.put(CHECKPOINT, sealed.sign(replace(sealed.checkpoint, origin="logs.example/other")))
    return [(Claim.LOG_CHECKPOINT, "", "It is of the log 'logs.example/other'")]


def delete_checkpoint(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.s3.delete_object(Bucket=sealed.bucket, Key=CHECKPOINT)
    return [(Claim.LOG_CHECKPOINT, CHECKPOINT, "there is a delete marker")]


def delete_log(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.register(valid_from="2026-01-01T00:00:00Z")
    sealed.delete(sealed.bucket, CHECKPOINT)
    return [
        (Claim.LOG_CHECKPOINT, CHECKPOINT, "There is no checkpoint"),
        (Claim.LOG_CHECKPOINT, "registry.json", ""),
    ]


def delete_bundle(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.delete(sealed.bucket, BUNDLE)
    return [(INCLUSION, BUNDLE, "It is gone")]


def delete_tile(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.delete(sealed.bucket, TILE)
    return [(INCLUSION, TILE, "It is gone")]


def delete_index(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    sealed.delete(sealed.bucket, sealed.keys("log/index/")[0])
    return [(COMPLETE, each.uri, "and the log's index does not say so") for each in versions[:3]]


def sign_after_the_end(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    """A key signs after its time."""
    other = LocalNoteSigner(LocalSigner("arn:old"))
    old = other.local.registered(valid_until="2026-01-01T00:00:00Z")
    sealed.register(ORIGIN, old)
    sealed.seal(sealed.drop(1, "incoming/new/"), [sealed.signer, other])
    return [(Claim.KEY_USE, "", "The key arn:old ended at 2026-01-01T00:00:00Z.")]


def sign_once_revoked(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    """A key whose revocation is dated before its end signs after both."""
    other = LocalNoteSigner(LocalSigner("arn:old"))
    times = {"valid_until": "2026-01-02T00:00:00Z", "revoked_at": "2026-01-01T00:00:00Z"}
    sealed.register(ORIGIN, other.local.registered(**times))
    sealed.seal(sealed.drop(1, "incoming/new/"), [sealed.signer, other])
    return [(Claim.KEY_USE, "", "The key arn:old was revoked at 2026-01-01T00:00:00Z.")]


def duplicate_names(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    """A receipt with a name twice in its envelope, signed and sealed."""
    dropped = sealed.world.put("incoming/twice.csv", b"x")
    sealed.world.record(dropped)
    sealed.world.witness(dropped)
    data = sealed.read(dropped.version.receipt_key)
    sealed.delete(sealed.bucket, dropped.version.receipt_key)
    sealed.put(dropped.version.receipt_key, b'{"payloadType":"x",' + data[1:])
    sealed.seal([dropped.version])
    return [(Claim.RECEIPT_SIGNATURE, dropped.version.uri, "a name is used twice")]


def swap_normal_forms(sealed: SealedWorld, versions: list[ObjectVersion]) -> list[tuple[Claim, str, str]]:
    """The receipt of an object is moved to one whose key is the same text in another Unicode form."""
    one, other = (sealed.world.put(f"incoming/{form}.csv", b"x") for form in ("caf\u00e9", "cafe\u0301"))
    for drop in (one, other):
        sealed.world.witness(drop)
    sealed.world.record(one)
    name = ObjectVersion(sealed.world.raw, other.version.key, other.version.version_id).receipt_key
    sealed.put(name, sealed.read(one.version.receipt_key))
    sealed.delete(sealed.bucket, one.version.receipt_key)
    sealed.seal([other.version])
    return [
        (Claim.RECEIPT_SIGNATURE, other.version.uri, "belongs under another key"),
        (UNIQUE, one.version.uri, ""),
    ]


MATRIX: list[Tampering] = [
    flip_payload,
    flip_signature,
    flip_length,
    flip_tile,
    flip_checkpoint,
    flip_segment,
    drop_row,
    double_row,
    move_segment,
    delete_segment,
    add_segment,
    delete_receipt,
    delete_both,
    truncate,
    roll_back,
    fork,
    reorder,
    duplicate,
    replay,
    replace_receipt,
    lengthen_receipt,
    sign_with_another_key,
    swap_key,
    downgrade,
    change_origin,
    delete_checkpoint,
    delete_log,
    delete_bundle,
    delete_tile,
    delete_index,
    sign_after_the_end,
    sign_once_revoked,
    duplicate_names,
    swap_normal_forms,
]


@pytest.mark.parametrize("tamper", MATRIX, ids=lambda tamper: tamper.__name__)
def test_tampering_is_found_and_located(
    sealed: SealedWorld, tamper: Tampering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether receipts are read from their own objects or from the bundles."""
    versions = sealed.grow(3, 1, 5)
    expected = tamper(sealed, versions)
    for few in (verify_log.FEW_RECEIPTS, 0):
        monkeypatch.setattr(verify_log, "FEW_RECEIPTS", few)
        report = check(sealed)
        assert report.exit_code == 1
        for claim, subject, words in expected:
            assert any(is_about(one, claim, subject, words) for one in report.findings), (claim, words)


def is_about(finding: Finding, claim: Claim, subject: str, words: str) -> bool:
    ends = finding.subject.endswith(subject) or finding.subject.partition("?")[0].endswith(subject)
    return finding.claim is claim and ends and words in finding.detail


# Parts of a log


def test_a_part_is_proved_with_tiles(sealed: SealedWorld, way: str) -> None:
    versions = sealed.grow(3, 1, 5)
    prefix = S3Location(sealed.world.raw, "incoming/batch-2/")
    one = S3Location(versions[1].bucket, versions[1].key, versions[1].version_id)
    for scope, count in ((prefix, 5), (one, 1)):
        report = check(sealed, scope=scope)
        assert (report.findings, report.unchecked) == ((), ())
        assert counts(report) == dict.fromkeys(LOG, (0, 0)) | {
            Claim.LOG_CHECKPOINT: (1, 1),
            INCLUSION: (count, count),
            COMPLETE: (count, count),
            Claim.KEY_USE: (1, 1),
        }


def test_a_sample_is_proved_with_tiles(sealed: SealedWorld) -> None:
    """The listing is compared with all of the log's index."""
    versions = sealed.grow(20)
    report = check(sealed, sample=0.04, seed="s")
    assert (report.findings, report.unchecked) == ((), ())
    assert report.claims[COMPLETE].passed == 20
    assert report.claims[INCLUSION].passed == report.receipts_read < 10

    sealed.delete(sealed.bucket, versions[4].receipt_key)
    sealed.delete(sealed.world.raw, versions[4].key)
    report = check(sealed, sample=0.04, seed="s")
    assert (COMPLETE, Status.MISSING, versions[4].uri) in found(report)


def test_in_a_part_it_is_found_what_was_done_to_it(sealed: SealedWorld) -> None:
    versions = sealed.grow(3, 1, 5)
    scope = S3Location(sealed.world.raw, "incoming/batch-2/")
    sealed.flip(TILE, 32 * 6)
    report = check(sealed, scope=scope)
    assert {(one.claim, one.status) for one in report.findings} == {(INCLUSION, Status.FAILED)}
    sealed.flip(TILE, 32 * 6)
    sealed.delete(sealed.bucket, versions[5].receipt_key)
    assert (COMPLETE, Status.MISSING, versions[5].uri) in found(check(sealed, scope=scope))
    sealed.delete(sealed.world.raw, versions[5].key)
    one = S3Location(versions[5].bucket, versions[5].key, versions[5].version_id)
    assert (COMPLETE, Status.MISSING, versions[5].uri) in found(check(sealed, scope=one))


# Time


def test_what_is_young_is_pending(sealed: SealedWorld) -> None:
    sealed.grow(2)
    sealed.drop(3, "incoming/young/")
    report = check(sealed, hours=0)
    assert report.findings == ()
    assert (report.claims[COMPLETE].passed, report.claims[COMPLETE].pending) == (2, 3)
    late = check(sealed)
    assert {one.claim for one in late.findings} == {COMPLETE}
    assert len(late.findings) == 3


def test_a_log_that_stands_still(sealed: SealedWorld) -> None:
    sealed.grow(2)
    assert check(sealed, hours=23).claims[Claim.LOG_CHECKPOINT].failed == 0
    assert [one.detail.partition(", ")[2] for one in of_log(check(sealed, hours=25))] == [
        "over a day ago: the log stands still."
    ]


def test_a_log_that_has_not_begun(sealed: SealedWorld) -> None:
    sealed.drop(1)
    sealed.register(valid_from=format_time(later(0)))
    sealed.delete(sealed.bucket, "keys/registry.json")
    sealed.register(valid_from=format_time(later(0)))
    report = check(sealed, hours=0)
    assert (report.claims[Claim.LOG_CHECKPOINT].pending, of_log(report)) == (1, [])
    assert [one.claim for one in of_log(check(sealed))] == [Claim.LOG_CHECKPOINT]


def test_a_deployment_without_a_log(new_world: Callable[[], World]) -> None:
    world = new_world()
    world.drop("incoming/a.csv", b"a")
    report = verify(world.s3, world.deployment, now=later(), digest_keys=Keys(), workers=4)
    assert (report.exit_code, len(report.notes)) == (0, 1)


# Its end, and the log before

NEXT = "logs.example/successor"


@pytest.mark.parametrize("sample", [1.0, 0.01])
def test_a_log_that_has_ended_does_not_stand_still(sealed: SealedWorld, sample: float) -> None:
    versions = sealed.grow(3, 1)
    sealed.end(NEXT)
    options = {"sample": sample, "seed": "s"}
    assert of_log(check(sealed, hours=24 * 400, **options)) == []
    assert of_log(check(sealed, hours=24 * 400, scope=S3Location(versions[0].bucket, "incoming/"))) == []
    sealed.drop(1, "incoming/late/")
    assert {(one.claim, one.status) for one in check(sealed, **options).findings} == {
        (COMPLETE, Status.MISSING)
    }


@pytest.mark.parametrize("sample", [1.0, 0.01])
def test_an_entry_after_the_end_is_found(sealed: SealedWorld, sample: float) -> None:
    sealed.grow(3)
    sealed.end(NEXT)
    sealed.rewrite([*sealed.entries(), sealed.entries()[0]])
    details = [
        one.detail for one in check(sealed, sample=sample, seed="s").findings if one.claim is CONSISTENCY
    ]
    assert details == ["Leaf 3 says that the log ends with it; 1 more entries follow."]


def test_an_end_that_nobody_has_declared_is_found(sealed: SealedWorld) -> None:
    sealed.grow(3)
    sealed.end(NEXT, is_declared=False)
    (finding,) = check(sealed).findings
    assert (finding.claim, finding.status) == (CONSISTENCY, Status.UNEXPECTED)
    assert finding.subject.endswith("log/tile/entries/000.p/4")


def test_an_end_cannot_be_taken_back(sealed: SealedWorld) -> None:
    sealed.grow(1)
    sealed.end(NEXT)
    sealed.register()
    assert "changes the log's end" in check(sealed).findings[0].detail


def test_the_log_before_is_the_one_that_was_declared(sealed: SealedWorld) -> None:
    state = Checkpoint(NEXT, 7, bytes(32))
    declared = {"predecessor": {"origin": NEXT, "size": 7, "root": "0" * 64}}
    sealed.register(declared=declared)
    versions = sealed.drop(2)
    sealed.sealer(predecessor=state).seal([version.receipt_key for version in versions])
    assert check(sealed).findings == ()
    sealed.delete(sealed.bucket, "keys/registry.json")
    sealed.register(declared={"predecessor": declared["predecessor"] | {"size": 8}})
    (finding,) = check(sealed).findings
    assert (finding.claim, finding.status) == (CONSISTENCY, Status.FAILED)
    assert "declared is 'logs.example/successor' of 8 entries" in finding.detail


# Keys, and the trail


def sign_event(key_id: str, at: str) -> dict[str, Any]:
    return trail_record(ObjectVersion("b", "k", "v"), "R", f"event-{at}") | {
        "eventSource": "kms.amazonaws.com",
        "eventName": "Sign",
        "eventTime": at,
        "requestParameters": {"keyId": key_id, "messageType": "DIGEST", "signingAlgorithm": "ECDSA_SHA_256"},
        "responseElements": None,
        "resources": [{"accountId": "123456789012", "type": "AWS::KMS::Key", "ARN": key_id}],
    }


def test_signatures_with_a_key_after_its_end(sealed: SealedWorld) -> None:
    ended = LocalSigner("arn:ended").registered(valid_until="2026-03-01T00:00:00Z")
    sealed.register(ORIGIN, ended)
    times = ["2026-02-28T00:00:00Z", "2026-03-01T00:10:00Z", "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"]
    sealed.world.deliver(
        log_file(*(sign_event("arn:ended", at) for at in times), sign_event("arn:other", times[0]))
    )
    (finding,) = (one for one in check(sealed).findings if one.claim is Claim.KEY_USE)
    assert (finding.claim, finding.subject) == (Claim.KEY_USE, "arn:ended")
    assert "2 signatures with it after its end, from 2026-04-01T00:00:00Z to 2026-05" in finding.detail


def test_a_digest_that_the_log_names_is_there(sealed: SealedWorld) -> None:
    """Deleting the end of the chain of digests contradicts the log."""
    world, end = sealed.world, later(-4).replace(minute=0, second=0, microsecond=0)
    digest = DigestFile(world.trail, end - timedelta(hours=1), end)
    world.s3.put_object(Bucket=world.trail, Key=digest.key, Body=digest.stored, Metadata=digest.metadata)
    heads = find_heads(world.s3, world.trail, world.deployment.trail_folder, end)
    sealed.sealer().anchor(head for head in heads if isinstance(head, Sealable))
    assert sealed.checkpoint.size == 1
    subject = f"s3://{world.trail}/{digest.key}"
    assert subject not in {one.subject for one in check(sealed, hours=0).findings}
    sealed.delete(world.trail, digest.key)
    assert (Claim.TRAIL_COMPLETE, Status.MISSING, subject) in found(check(sealed, hours=0))
