"""Where a log ends, and which log goes on: statements that are its last entry and its first.

A log that is frozen has the statement of its end as its last entry: of how many entries it is, that one
included, and the origin of its successor, if there is one. The successor's first entry names its predecessor
with its final size and root, so that the one log vouches for every entry of the other. Both are ordinary
entries (C2SP tlog-tiles has none of another kind): DSSE envelopes with a payload type of their own, signed
with the keys of the log. A key's id is its name and id as in its verifier key (signed-note).

What an operator has declared is in the key registry, in its section ``log``:

    "end": {"at": …, "successor": ORIGIN or null}, "predecessor": {"origin", "size", "root"}
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from custody.documents import Fields, parse_object
from custody.errors import EvidenceError
from custody.evidence.dsse import pae, read_payload
from custody.evidence.registry import MAX_REGISTRY_BYTES
from custody.log.batch import Sealable
from custody.log.checkpoint import Checkpoint
from custody.log.merkle import leaf_hash, verify_inclusion
from custody.log.note import Note, NoteKey, NoteSignature, decode_base64
from custody.log.tiles import TILE_WIDTH
from custody.log.tree import Tree
from custody.times import format_time

PAYLOAD_TYPE = "application/vnd.custody.log+json"
END_TYPE = "urn:custody:log-end:v1"
START_TYPE = "urn:custody:log-start:v1"

_BEGINS = f'{{"payloadType":"{PAYLOAD_TYPE}",'.encode()
_MAX_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class PlannedEnd:
    """An end that an operator has declared."""

    at: datetime
    """What is stored before is in the log when it ends."""
    successor: str | None
    """The origin of the log that goes on."""


@dataclass(frozen=True, slots=True)
class Succession:
    """What an operator has declared of a log."""

    end: PlannedEnd | None = None
    predecessor: Checkpoint | None = None
    """The last state of the log before."""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The statement that is the last entry of a log."""

    origin: str
    size: int
    """Of the log with this entry."""
    successor: str | None


@dataclass(frozen=True, slots=True)
class LogStart:
    """The statement that is the first entry of a log which goes on for another."""

    origin: str
    predecessor: Checkpoint


@dataclass(frozen=True, slots=True)
class Statement:
    """An entry that says where a log ends or begins, and its signatures, none of them checked."""

    says: LogEnd | LogStart
    signed: Note
    """What the signatures cover as the text, for ``custody.log.note_keys.verify_note``."""


class StatementSigner(Protocol):
    """Signs with one key of the log."""

    @property
    def key(self) -> NoteKey:
        """The public key."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``."""
        ...


def make_statement(says: LogEnd | LogStart, signers: Sequence[StatementSigner], now: datetime) -> Sealable:
    """The entry that says so. In the log's index it is under its type; there is no such object."""
    if isinstance(says, LogEnd):
        kind = END_TYPE
        content = {"type": kind, "origin": says.origin, "size": says.size, "successor": says.successor}
    else:
        kind = START_TYPE
        content = {"type": kind, "origin": says.origin, "predecessor": _state(says.predecessor)}
    payload = json.dumps(content).encode()
    message = pae(payload, PAYLOAD_TYPE)
    signatures = [
        {
            "keyid": f"{signer.key.name}+{signer.key.key_id.hex()}",
            "sig": b64encode(signer.sign(message)).decode(),
        }
        for signer in signers
    ]
    envelope = {
        "payloadType": PAYLOAD_TYPE,
        "payload": b64encode(payload).decode(),
        "signatures": signatures,
    }
    entry = json.dumps(envelope, separators=(",", ":")).encode()
    return Sealable(kind, kind, sha256(entry).hexdigest(), now, entry)


def is_statement(entry: bytes) -> bool:
    """Whether an entry is one of these statements, by the bytes with which each begins."""
    return entry.startswith(_BEGINS)


def parse_statement(entry: bytes) -> Statement:
    """Read an entry that ``is_statement``. Raises ``EvidenceError`` if it is malformed."""
    payload = read_payload(entry, PAYLOAD_TYPE)
    content = Fields(parse_object(payload, "statement", _MAX_BYTES), "statement")
    says: LogEnd | LogStart
    if (kind := content.text("type")) == END_TYPE:
        successor = content.optional_text("successor")
        says = LogEnd(content.words("origin"), content.natural("size"), successor)
    elif kind == START_TYPE:
        says = LogStart(content.words("origin"), _parse_state(content.object("predecessor")))
    else:
        raise EvidenceError(f"The statement's type is {kind[:80]!r}, neither {END_TYPE} nor {START_TYPE}.")
    envelope = Fields(parse_object(entry, "statement", _MAX_BYTES), "statement")
    lines = tuple(_parse_signature(each) for each in envelope.objects("signatures"))
    return Statement(says, Note(pae(payload, PAYLOAD_TYPE).decode(), lines))


def read_entry(tree: Tree, index: int, root: bytes) -> bytes:
    """One entry of the log with this root, proven to be in it.

    Raises ``AbsentError``, or ``EvidenceError`` if it is not what the log has.
    """
    entry = tree.entries(index // TILE_WIDTH)[index % TILE_WIDTH]
    verify_inclusion(index, tree.size, leaf_hash(entry), tree.inclusion(index), root)
    return entry


def end_at(tree: Tree, size: int, root: bytes) -> LogEnd | None:
    """The statement of its end, if that is the last of the first ``size`` entries of the log with this root.

    Its signatures are not checked: only the sealer can make it an entry. Raises as ``read_entry``.
    """
    return as_end(read_entry(tree, size - 1, root)) if size else None


def as_end(entry: bytes) -> LogEnd | None:
    """What an entry says of the log's end; ``None`` if it is about something else."""
    says = parse_statement(entry).says if is_statement(entry) else None
    return says if isinstance(says, LogEnd) else None


def parse_succession(registry: bytes) -> Succession:
    """What one version of the key registry declares. Raises ``EvidenceError``."""
    log = Fields(parse_object(registry, "key registry", MAX_REGISTRY_BYTES), "key registry").object("log")
    origin, end, before = log.words("origin"), log.optional_object("end"), log.optional_object("predecessor")
    at, successor = end.optional_time("at"), end.optional_text("successor")
    predecessor = None if before.optional_text("origin") is None else _parse_state(before)
    if origin in (successor, None if predecessor is None else predecessor.origin):
        raise EvidenceError(f"The key registry says that the log {origin[:200]!r} follows itself.")
    return Succession(None if at is None else PlannedEnd(at, successor), predecessor)


def read_succession(
    versions: Iterable[tuple[str, datetime, bytes]],
) -> tuple[Succession, list[str]]:
    """What every version of the registry declares, oldest first, and the history's problems, in sentences.

    A predecessor never changes, nor does an end whose time has come. Versions that name no log, or cannot be
    read, are passed over: ``custody.log.keys`` reports these.
    """
    known, problems = Succession(), list[str]()
    for version_id, stored_at, data in versions:
        try:
            current = parse_succession(data)
        except EvidenceError:
            continue
        end, predecessor = current.end, current.predecessor
        if known.predecessor is not None and predecessor != known.predecessor:
            problems.append(f"Version {version_id} changes the log's predecessor.")
            predecessor = known.predecessor
        if known.end is not None and known.end.at <= stored_at and end != known.end:
            problems.append(
                f"Version {version_id} changes the log's end, which was at {format_time(known.end.at)}."
            )
            end = known.end
        known = Succession(end, predecessor)
    return known, problems


def _state(checkpoint: Checkpoint) -> dict[str, str | int]:
    return {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}


def _parse_state(fields: Fields) -> Checkpoint:
    return Checkpoint(fields.words("origin"), fields.natural("size"), bytes.fromhex(fields.sha256("root")))


def _parse_signature(fields: Fields) -> NoteSignature:
    name, _, key_id = fields.words("keyid").rpartition("+")
    try:
        return NoteSignature(name, bytes.fromhex(key_id), decode_base64(fields.words("sig"), "signature"))
    except ValueError as error:
        raise EvidenceError("The statement names a key by no name and id.") from error
