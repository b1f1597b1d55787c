"""With any bytes, a parser either succeeds or raises an error of this package.

The result is used as its callers use it: a value that breaks a caller is as bad as an exception. Inputs that
once broke a parser, and similar ones, are in ``corpus/``.
"""

from __future__ import annotations

import gzip
import io
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from custody.cli.places import parse_list
from custody.deployment import load_deployment
from custody.errors import CustodyError
from custody.etl.contract import parse_contract
from custody.etl.manifest import Entry, parse_manifest, write_manifest
from custody.evidence.agreement import compare_with_object, compare_with_storage
from custody.evidence.dsse import read_payload, sign_envelope
from custody.evidence.envelope import parse_envelope
from custody.evidence.erasure import Erasure, is_erasable, parse_erasure
from custody.evidence.keyring import parse_registry, read_history
from custody.evidence.objects import ObjectVersion, S3Location, parse_receipt_key, parse_s3_uri
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt, parse_statement
from custody.gate.decisions import parse_decision
from custody.gate.manifests import SEEN_TYPE, Chain, Source
from custody.gate.requests import parse_event, parse_tables
from custody.gate.withheld import WithheldReports
from custody.ledger.auditor import State, parse_state
from custody.ledger.notices import Notice, event_of, message_of
from custody.lineage.document import parse_commit, parse_lineage, parse_place
from custody.listing import VersionEntry
from custody.log.batch import Batch, Sealable, format_batch, parse_batch
from custody.log.checkpoint import Checkpoint, parse_checkpoint
from custody.log.extension import Extension, parse_extension
from custody.log.index import format_index, parse_index
from custody.log.keys import parse_log_registry
from custody.log.note import Algorithm, parse_note, parse_verifier_key
from custody.log.note_keys import require_readable, verify_note
from custody.log.policy import format_policy, parse_policy
from custody.log.proof.bundle import Bundle
from custody.log.proof.check import BundleClaim, check_bundle
from custody.log.proof_file import ProofFile, parse_proof_file
from custody.log.rows import BatchRows, Segment, hash_row
from custody.log.segments import format_row, receipt_row, segment_row
from custody.log.succession import LogStart, make_statement, parse_succession, read_succession
from custody.log.succession_check import check_statements, compare_declared
from custody.log.tiles import pack_entries, unpack_entries
from custody.log.trail_heads import parse_trail_head
from custody.recorder.notification import ObjectCreated, parse_message
from custody.times import format_time, from_microseconds, parse_time, to_microseconds
from custody.trail.digests import parse_digest
from custody.trail.log_files import parse_log_file
from custody.upload.plan import PlannedFile
from custody.upload.state import FileIdentity, UploadState, UploadStates
from custody.verify.canonical import read_canonical
from custody.verify.checksum_report import parse_manifest as parse_report
from custody.verify.checksum_report import parse_result
from tests.fuzz import poison
from tests.support.checksums import csv_row, manifest_of, result_of
from tests.support.digests import DigestFile, public_der, rsa_key
from tests.support.evidence import (
    IDENTITY,
    LocalSigner,
    s3_record,
    trail_record,
)
from tests.support.lake import BEGIN, Lake, MemoryS3
from tests.support.log import LocalNoteSigner
from tests.support.small_log import MemoryLog, NoteSigner
from tests.unit.report.sample import DEPLOYMENT

CORPUS = Path(__file__).with_name("corpus")
AT = datetime(2026, 11, 20, 13, tzinfo=UTC)
VERSION = ObjectVersion("raw", "incoming/2026-11-20.csv", "v1")
SIGNER = LocalSigner()
REGISTRY = {
    "keys": [SIGNER.registered(), LocalSigner("other").registered(valid_until="2026-11-20T13:00:00Z")]
}
RING = parse_registry(json.dumps(REGISTRY).encode())
STATEMENT = Receipt(
    event=ObjectCreated(VERSION, "ObjectCreated:Put", AT, "R", "P", "203.0.113.7", "0055"),
    sha256="ab" * 32,
    size_bytes=5,
    etag='"e"',
    last_modified=AT,
    content_type="text/csv",
    recorded_at=AT,
    recorder=IDENTITY,
).to_statement()


def lineage_documents() -> dict[str, tuple[str, bytes]]:
    """The documents of a silver and of a gold table, by layer: the key, and the bytes."""
    memory = MemoryS3()
    kept: dict[str, tuple[str, bytes]] = {}

    def put(bucket: str, key: str, body: bytes) -> ObjectVersion:
        if "/_lineage/" in key:
            kept[bucket] = (key, body)
        return memory.put(bucket, key, body)

    lake = Lake({"raw-data": "raw", "processed": "processed", "analytics": "analytics"}, put)
    lake.silver("customers", 1, [lake.raw("incoming/a")], refused=[lake.raw("incoming/b")], rejected=1)
    lake.gold("value", 2, [("customers", 1)], days=["2026-11-20"])
    return kept


LINEAGE = lineage_documents()


def use_moment(moment: datetime) -> None:
    assert from_microseconds(to_microseconds(moment)) == moment
    format_time(moment)


def use_version(version: ObjectVersion) -> None:
    assert len(version.receipt_key.encode()) <= 1024
    if not {"/", "?"} & set(version.bucket):  # no bucket's name has one
        assert parse_s3_uri(version.uri) == S3Location(version.bucket, version.key, version.version_id)
    parse_receipt_key(version.receipt_key)
    parse_place(version.bucket, version.key)
    parse_commit(version.bucket, version.key)


def statement(data: bytes) -> None:
    receipt = parse_statement(data)
    use_version(receipt.version)
    for moment in (receipt.recorded_at, receipt.last_modified, receipt.event.time):
        use_moment(moment)
    compare_with_storage(receipt.recorded_at, AT)
    compare_with_object(receipt, VersionEntry("k", "v", AT, False, 5, '"e"'))
    assert parse_statement(receipt.to_statement()).version == receipt.version


def envelope(data: bytes) -> None:
    found = parse_envelope(data)
    RING.verify(found)
    RING.require_in_force(found, AT, AT)


def payload(data: bytes) -> None:
    parse_statement(read_payload(data, PAYLOAD_TYPE))


def registry(data: bytes) -> None:
    ring = parse_registry(data)
    for key in ring.keys.values():
        use_moment(key.valid_from)
    read_history([("v1", AT, json.dumps(REGISTRY).encode()), ("v2", AT, data)])


def manifest(data: bytes) -> None:
    for entry in parse_manifest(data).entries:
        use_version(entry.version)
        assert entry.rank
        entry.size_bytes.to_bytes(8, signed=True)


def lineage(bucket: str) -> Callable[[bytes], None]:
    place = parse_place(bucket, LINEAGE[bucket][0])
    assert place is not None

    def read(data: bytes) -> None:
        found = parse_lineage(data, place)
        use_moment(found.committed_at)
        for item in found.objects:
            use_version(item.version)
        for output in found.outputs:
            (output.made.version, output.rows, output.made.name)  # noqa: B018
            output.rows.to_bytes(8, signed=True)

    return read


def notification(data: bytes) -> None:
    for event in parse_message(data.decode("utf-8", "surrogateescape")):
        if isinstance(event, ObjectCreated):
            use_version(event.version)
            use_moment(event.time)


def digest(data: bytes) -> None:
    """Every value is used as verification does."""
    read = parse_digest(gzip.compress(data, 1), DIGEST.metadata)
    read.is_signed_by(public_der(rsa_key()))
    for moment in (read.start, read.end, read.signed_about):
        to_microseconds(moment)


def log_file(data: bytes) -> None:
    contents = parse_log_file(gzip.compress(data, 1))
    for write in contents.writes:
        use_moment(write.event_time)
        use_version(ObjectVersion(write.bucket, write.key, write.version_id or "v"))
    for signature in contents.signatures:
        use_moment(signature.event_time)
    for deletion in contents.deletions:
        use_moment(deletion.event_time)
        use_version(ObjectVersion(deletion.bucket, deletion.key or "k", deletion.version_id or "v"))


def rows(data: bytes) -> None:
    """A segment's lines: each is right, or a problem with its place."""
    segment = Segment("segments/dt=2026-11-20/0-0", "2026-11-20", gzip.compress(data, 1))
    one = BatchRows(0, hash_row(ROW), AT, AT.date())
    one.check([segment])
    assert one.right or one.problems
    BatchRows(0, b"", None, None).check([Segment("k", "d", data)])


def index(data: bytes) -> None:
    for row in parse_index(data):
        assert len(row.key_hash) == 32


def batch(data: bytes) -> None:
    for item in parse_batch(gzip.compress(data, 1), 0, AT).items:
        use_moment(item.stored_at)
        segment_row(item.entry, item.key, 0)
        parse_trail_head(item.entry)


def log_statement(data: bytes) -> None:
    found = check_statements({0: data}, 1, LOG.signer.name, [LOG.signer.key])
    list(compare_declared(found, parse_succession(SUCCESSION), 1))


def log_statement_says(data: bytes) -> None:
    envelope = json.loads(LOG_STATEMENT) | {"payload": b64encode(data).decode()}
    log_statement(json.dumps(envelope).encode())


def succession(data: bytes) -> None:
    read_succession([("v1", AT, SUCCESSION), ("v2", AT, data)])
    if (end := parse_succession(data).end) is not None:
        use_moment(end.at)


def canonical(data: bytes) -> None:
    if (found := read_canonical(data)) is not None:
        receipt = parse_statement(found.payload)
        assert receipt == found.receipt()
        key = receipt.version.receipt_key
        assert found.row(7, key).decode() == format_row(receipt_row(receipt, found.key_id, 7))


def erasure(data: bytes) -> None:
    found = parse_erasure(data, "erasure")
    use_moment(found.decided_at)
    for version in found.versions:
        use_version(version)
        is_erasable(version, "raw")


def deployments(data: bytes) -> None:
    for place in parse_list(data, "list").values():
        place.in_s3  # noqa: B018


def deployment(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    found = load_deployment(path)
    found.is_recorded("raw", "incoming/a")


def contract(data: bytes) -> None:
    assert parse_contract(data).table


def decision(data: bytes) -> None:
    for version in parse_decision(data, "t", "decision")[1]:
        use_version(version)


def auditor_state(data: bytes) -> None:
    state = parse_state(data)
    for told in (*state.known.values(), *state.messages, *state.events):
        message_of(told, "custody-dev", "eu-west-1")
        event_of(told, "custody-dev")
    assert parse_state(state.to_json()).known == state.known


def withheld(data: bytes) -> None:
    memory = MemoryS3()
    memory.put("processed", "manifests/t/_withheld/0000000001.json", data)
    _, found = WithheldReports(memory, "processed", "manifests/t/", "t").last()
    assert len(found.digests()) == len(found)
    for version in found.named:
        use_version(version)


def summary(data: bytes) -> None:
    """A summary is used as it is, or doubted in a sentence."""
    memory = MemoryS3()
    memory.put("processed", "manifests/t/_seen/0000000001.bin", data)
    chain = Chain(memory, "processed", Source("t", "raw", "incoming/"), lambda _: data)
    chain.read()
    assert VERSION not in chain
    assert chain.doubted or all(chain.uri(each) for each in chain.waiting(()))


def tables(data: bytes) -> None:
    silver, gold = parse_tables(b64encode(gzip.compress(data, 1)).decode())
    parse_event({"table": "t"}, silver, gold)


def upload_state(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        states = UploadStates(Path(folder))
        file = PlannedFile(Path("a.csv"), "raw", "incoming/a.csv", 1, 2, 3)
        states.save(file, UPLOAD_STATE)
        (path,) = Path(folder).iterdir()
        path.write_bytes(data)
        if (found := states.load(file)) is not None:
            states.save(file, found)
            assert states.load(file) == found


def log_registry(data: bytes) -> None:
    found = parse_log_registry(data)
    assert len(found.note_keys()) == len(found.keys)


def uri(data: bytes) -> None:
    parse_s3_uri(data.decode("utf-8", "surrogateescape"))


def time(data: bytes) -> None:
    use_moment(parse_time(data.decode("utf-8", "surrogateescape")))


def note(data: bytes) -> None:
    found = parse_note(data)
    assert found.to_bytes() == data
    verify_note(found, [signer.key for signer in NOTE_SIGNERS])


def checkpoint(data: bytes) -> None:
    found = parse_checkpoint(data.decode("utf-8", "surrogateescape"))
    found.size.to_bytes(8, signed=True)
    assert parse_checkpoint(found.to_text()) == found


def verifier_key(data: bytes) -> None:
    key = parse_verifier_key(data.decode("utf-8", "surrogateescape"))
    require_readable(key)
    assert parse_verifier_key(key.to_verifier_key()) == key


def policy(data: bytes) -> None:
    parse_policy(data).judge(NOTE)


def proof_file(data: bytes) -> None:
    found = parse_proof_file(data)
    assert found.to_bytes() == data
    found.verify(STATEMENT, parse_policy(POLICY))


def extension(data: bytes) -> None:
    found = parse_extension(data)
    assert found.to_bytes() == data
    found.old.to_bytes(8, signed=True)
    verify_note(found.checkpoint, [signer.key for signer in NOTE_SIGNERS])


def proof(data: bytes) -> None:
    """A bundle whose files are all these bytes: every claim is answered, and none holds by chance."""
    names = ["receipt.json", "receipt.tlog-proof", "extension.txt", "policy.txt", "object"]
    names += [
        "registry/0001-20261120T130000Z.json",
        "trail/logs/a.json",
        "trail/digests/a.json",
        "trail/digests/a.sig",
    ]
    found = check_bundle(Bundle(lambda _: io.BytesIO(data), dict.fromkeys(names, "")), data)
    assert {result.claim for result in found.results} == set(BundleClaim)
    assert not any(result.holds for result in found.results)


def checksum_manifest(data: bytes) -> None:
    report = parse_report(data, "report", lambda _bucket, _key: io.BytesIO())
    use_moment(report.created_at)
    assert report.job
    assert all(file.name for file in report.files)


def checksum_rows(data: bytes) -> None:
    """The rows are these bytes, whatever the manifest says."""
    document = manifest_of([("r.csv", data)])
    report = parse_report(json.dumps(document).encode(), "report", lambda _bucket, _key: io.BytesIO(data))
    for version, sha256 in report.digests():
        use_version(version)
        assert len(bytes.fromhex(sha256)) == 32


def checksum_result(data: bytes) -> None:
    parse_result(data.decode("utf-8", "surrogateescape"))


def bundle(data: bytes) -> None:
    assert pack_entries(unpack_entries(data, len(BUNDLE))) == data


@dataclass(frozen=True)
class Parser:
    """A parser, and a document that it reads."""

    name: str
    read: Callable[[bytes], None]
    right: bytes
    is_json: bool = True


CONTRACT = {
    "table": "t",
    "meaning": "m",
    "key": ["id"],
    "source": {"prefix": "incoming/t/", "format": "csv", "wins": "latest", "unknown_columns": "keep"},
    "columns": [
        {"name": "id", "type": "string", "meaning": "m", "required": True, "pattern": "[a-z]+"},
        {"name": "n", "type": "integer", "meaning": "m", "minimum": "0", "maximum": "10"},
    ],
    "checks": [],
}
DECISION = {
    "type": "urn:custody:decision:v1",
    "table": "t",
    "action": "reprocess",
    "reason": "r",
    "versions": [asdict(VERSION) | {"withheld": True}],
}
DIGEST = DigestFile(
    "log",
    AT,
    AT + timedelta(hours=1),
    (("a.json.gz", b"{}"),),
    DigestFile("log", AT - timedelta(hours=1), AT),
)
SIGN = trail_record(VERSION, "R", "E", eventName="Sign", eventSource="kms.amazonaws.com")
SIGN |= {"requestParameters": {"keyId": "k"}, "resources": [{"ARN": "arn:aws:kms:::key/k"}]}
ITEM = Sealable(VERSION.receipt_key, "v", '"e"', AT, sign_envelope(STATEMENT, PAYLOAD_TYPE, SIGNER))
ROW = segment_row(ITEM.entry, ITEM.key, 0) or {}
DELETION = trail_record(VERSION, "R", "E", eventName="DeleteObject", responseElements=None)
DELETION["requestParameters"]["versionId"] = "v1"
NOTE_SIGNERS = [NoteSigner(), NoteSigner("witness.example", Algorithm.ED25519_COSIGNATURE)]
LOG = MemoryLog([], NOTE_SIGNERS[0])
NOTE = LOG.extend([STATEMENT], *NOTE_SIGNERS[1:])
POLICY = format_policy([NOTE_SIGNERS[0].key])[: -len(b"quorum none\n")] + (
    f"witness w {NOTE_SIGNERS[1].key.to_verifier_key()} https://w\ngroup g all w\nquorum g\n".encode()
)
NEXT_SIGNER = LocalNoteSigner()
BEFORE = Checkpoint("before.example/log", 7, bytes(32))
LOG_STATEMENT = make_statement(LogStart(LOG.signer.name, BEFORE), [NEXT_SIGNER], AT).entry
SUCCESSION = json.dumps(
    {
        "log": {
            "origin": LOG.signer.name,
            "end": {"at": "2026-11-20T13:00:00Z", "successor": "next.example/log"},
            "predecessor": {"origin": BEFORE.origin, "size": BEFORE.size, "root": BEFORE.root.hex()},
        }
    }
).encode()
BUNDLE = [STATEMENT, b"", b"entry"]
NOTICE = Notice("found", "a", 1, "object_deleted", "high", "s3://raw/a", "p", "", 1, "f", "l", "d", "e")
AUDITOR_STATE = State({"r": AT}, {"q": "why"}, AT, {"a": NOTICE}, [NOTICE], [NOTICE])
WITHHELD = {
    "number": 1,
    "withheld": [{**asdict(VERSION), "reason": "hash", "detail": "d"}],
    "others": b64encode(bytes(16)).decode(),
}
HANDED = {"number": 1, "version_id": "v", "sha256": "ab" * 32}
SUMMARY = {"type": SEEN_TYPE, "table": "t", "through": 1, "versions": 1, "waiting": [HANDED]}
TABLES = {
    "silver": [{"table": "t", "job": "j", "prefix": "incoming/t/"}],
    "gold": [{"table": "g", "job": "k", "inputs": "t"}],
}
UPLOAD_STATE = UploadState(FileIdentity(1, 2, 3, 4), "u", 5, "v", "ab" * 32)
PLACE = {"name": "dev", "location": "s3://bucket/key", "profile": "p"}
PARSERS = [
    Parser("statement", statement, STATEMENT),
    Parser("envelope", envelope, sign_envelope(STATEMENT, PAYLOAD_TYPE, SIGNER)),
    Parser("payload", payload, sign_envelope(STATEMENT, PAYLOAD_TYPE, SIGNER)),
    Parser("registry", registry, json.dumps(REGISTRY).encode()),
    Parser(
        "manifest", manifest, write_manifest("t", [Entry(VERSION, "ab" * 32, 5, AT, "s3://d", True)], BEGIN)
    ),
    Parser("silver_lineage", lineage("processed"), LINEAGE["processed"][1]),
    Parser("gold_lineage", lineage("analytics"), LINEAGE["analytics"][1]),
    Parser("notification", notification, json.dumps({"Records": [s3_record(VERSION)]}).encode()),
    Parser("log_file", log_file, json.dumps({"Records": [trail_record(VERSION, "R", "E")]}).encode()),
    Parser("digest", digest, DIGEST.content),
    Parser("contract", contract, json.dumps(CONTRACT).encode()),
    Parser("deletion", log_file, json.dumps({"Records": [DELETION]}).encode()),
    Parser("sign", log_file, json.dumps({"Records": [SIGN]}).encode()),
    Parser("rows", rows, format_row(ROW).encode()),
    Parser("index", index, format_index(Batch(0, AT, (ITEM,))), is_json=False),
    Parser("batch", batch, gzip.decompress(format_batch(0, [ITEM])), is_json=False),
    Parser("canonical", canonical, sign_envelope(STATEMENT, PAYLOAD_TYPE, SIGNER)),
    Parser("erasure", erasure, Erasure("asked for", AT, (VERSION,)).to_bytes()),
    Parser("deployments", deployments, json.dumps({"deployments": [PLACE]}).encode()),
    Parser("uri", uri, b"s3://raw/incoming/a%20b?versionId=v1", is_json=False),
    Parser("time", time, b"2026-11-20T13:00:00.123Z", is_json=False),
    Parser("decision", decision, json.dumps(DECISION).encode()),
    Parser("note", note, NOTE.to_bytes(), is_json=False),
    Parser("checkpoint", checkpoint, NOTE.text.encode(), is_json=False),
    Parser("verifier_key", verifier_key, NOTE_SIGNERS[1].key.to_verifier_key().encode(), is_json=False),
    Parser("policy", policy, POLICY, is_json=False),
    Parser("proof_file", proof_file, ProofFile(0, (), NOTE, b"extra").to_bytes(), is_json=False),
    Parser("extension", extension, Extension(0, (b"h" * 32,), NOTE).to_bytes(), is_json=False),
    Parser("proof", proof, json.dumps(REGISTRY).encode()),
    Parser("bundle", bundle, pack_entries(BUNDLE), is_json=False),
    Parser("checksum_manifest", checksum_manifest, json.dumps(manifest_of([("r.csv", b"")])).encode()),
    Parser("checksum_rows", checksum_rows, csv_row(VERSION, "ab" * 32).encode(), is_json=False),
    Parser("checksum_result", checksum_result, json.dumps(result_of("ab" * 32)).encode()),
    Parser("log_statement", log_statement, LOG_STATEMENT),
    Parser("log_statement_says", log_statement_says, b64decode(json.loads(LOG_STATEMENT)["payload"])),
    Parser("succession", succession, SUCCESSION),
    Parser("auditor_state", auditor_state, AUDITOR_STATE.to_json()),
    Parser("withheld", withheld, json.dumps(WITHHELD).encode()),
    Parser("summary", summary, json.dumps(SUMMARY).encode() + b"\n" + bytes(16), is_json=False),
    Parser("tables", tables, json.dumps(TABLES).encode()),
    Parser("upload_state", upload_state, json.dumps(asdict(UPLOAD_STATE) | {"finished": 0}).encode()),
    Parser(
        "log_registry",
        log_registry,
        json.dumps({"log": {"origin": "log.example", "keys": REGISTRY["keys"]}}).encode(),
    ),
]


def harmless(parser: Parser, data: bytes) -> None:
    """Let the parser read, and check that it raises only errors of this package."""
    try:
        parser.read(data)
    except CustodyError as error:
        if not error.message:
            raise AssertionError(f"{parser.name} has no words for {data[:2000]!r}") from error
    except Exception as error:
        raise AssertionError(f"{parser.name} raised {type(error).__name__} for {data[:2000]!r}") from error


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_what_is_right_is_read(parser: Parser) -> None:
    parser.read(parser.right)


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_every_value_replaced(parser: Parser) -> None:
    if parser.name == "contract":  # what is no JSON is read as YAML, and that slowly
        for wrong in poison.documents(CONTRACT):
            harmless(parser, json.dumps(wrong).encode())
        for raw in poison.RAW.values():
            harmless(parser, raw)
    elif parser.is_json:
        for data in poison.texts(json.loads(parser.right)):
            harmless(parser, data)
    else:
        for value in (*poison.TIMES, *poison.TEXTS):
            harmless(parser, value.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.name)
def test_bytes_changed_by_chance(parser: Parser) -> None:
    for data in poison.scrambled(parser.right, 300 if parser.name == "contract" else 1500, parser.name):
        harmless(parser, data)


def test_every_value_of_a_signed_payload_replaced() -> None:
    """A signature that holds makes no statement well-formed."""
    reads = Parser("payload", payload, b"")
    for data in poison.texts(json.loads(STATEMENT)):
        document = {
            "payload": b64encode(data).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"keyid": "k", "sig": "AAAA"}],
        }
        harmless(reads, json.dumps(document).encode())


@pytest.mark.parametrize("parser", [each for each in PARSERS if each.is_json], ids=lambda parser: parser.name)
def test_the_corpus(parser: Parser) -> None:
    """The inputs that broke a parser once, and those that broke another, which may be of a kind."""
    kept = sorted(path for path in CORPUS.rglob("*") if path.is_file())
    assert kept
    for path in kept:
        harmless(parser, path.read_bytes())


def test_a_deployment_is_read_or_refused(tmp_path: Path) -> None:
    reads = Parser("deployment", lambda data: deployment(data, tmp_path / "deployment.json"), b"")
    right: dict[str, Any] = asdict(DEPLOYMENT)
    for data in poison.texts(right):
        harmless(reads, data)


def test_a_log_file_that_is_no_gzip_is_refused() -> None:
    packed = gzip.compress(PARSERS[8].right, mtime=0)
    reads = Parser("log_file", lambda data: print(parse_log_file(data), file=io.StringIO()), b"")
    for data in (*poison.scrambled(packed, 1500, "gzip"), *(packed[:end] for end in range(len(packed)))):
        harmless(reads, data)
