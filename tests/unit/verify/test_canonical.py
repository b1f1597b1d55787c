"""The fast reader of receipts reads nothing that the strict one does not, and never to another value."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis.strategies import characters, integers, none, sampled_from, text

from custody.errors import EvidenceError
from custody.evidence.dsse import sign_envelope
from custody.evidence.envelope import parse_envelope
from custody.evidence.objects import ObjectVersion
from custody.evidence.receipt import PAYLOAD_TYPE, Receipt, RecorderIdentity, parse_statement
from custody.log.rows import hash_line, hash_row
from custody.log.segments import format_row, receipt_row
from custody.recorder.notification import BACKFILL_NAME, ObjectCreated
from custody.verify.canonical import read_canonical
from tests.fuzz import poison
from tests.support.log import ENVELOPES, RECEIPTS

AT = datetime(2026, 1, 1, tzinfo=UTC)
LETTERS = characters(codec="utf-8")


def agree(data: bytes) -> bool:
    """Whether it was read; if it was, the strict reader gives the same."""
    found = read_canonical(data)
    if found is None:
        return False
    envelope = parse_envelope(data)
    assert envelope.payload_type == PAYLOAD_TYPE
    assert (envelope.payload, parse_statement(envelope.payload)) == (found.payload, found.receipt())
    key = found.version.receipt_key
    row = receipt_row(found.receipt(), found.key_id, 5)
    assert (found.row(5, key).decode(), hash_line(found.row(5, key))) == (format_row(row), hash_row(row))
    (signature,) = envelope.signatures.values()
    assert (signature.keyid, signature.signature) == (found.key_id, found.signature.hex())
    return True


def test_what_the_recorder_writes_is_read() -> None:
    assert all(agree(data) for _, data in ENVELOPES)


def signed(payloads: Iterator[bytes]) -> Iterator[bytes]:
    for payload in payloads:
        yield sign_envelope(payload, PAYLOAD_TYPE, RECEIPTS)


def test_what_is_read_is_what_the_strict_reader_reads() -> None:
    data = ENVELOPES[3][1]
    document = json.loads(data)
    statement = parse_envelope(data).payload
    wrong = [
        *poison.texts(document),
        *poison.scrambled(data, 1500, "canonical"),
        *signed(poison.scrambled(statement, 300, "statement")),
        *(
            json.dumps(document | {"payload": b64encode(payload).decode()}, separators=(",", ":")).encode()
            for payload in poison.texts(json.loads(statement))
        ),
    ]
    read = 0
    for each in wrong:
        try:
            read += agree(each)
        except EvidenceError as error:
            raise AssertionError(f"only the fast reader reads {each[:2000]!r}") from error
    assert read > 20


def test_names_twice_other_spellings_and_unknown_fields_are_left_to_the_strict_reader() -> None:
    data = ENVELOPES[3][1]
    assert read_canonical(b'{"payloadType":"x",' + data[1:]) is None
    assert read_canonical(data.replace(b'":"', b'": "')) is None
    assert read_canonical(data[:-1] + b',"more":1}') is None


@given(
    key=text(LETTERS, min_size=1, max_size=40),
    milliseconds=integers(-(10**13), 10**14),
    name=sampled_from(["ObjectCreated:Put", BACKFILL_NAME]),
    words=none() | text(LETTERS, max_size=40),
)
def test_the_row_is_the_sealers(key: str, milliseconds: int, name: str, words: str | None) -> None:
    """With any name, time and text that a receipt can have."""
    written = AT + timedelta(milliseconds=milliseconds)
    event = ObjectCreated(ObjectVersion("raw", key, "v"), name, written, words, words, words, words)
    receipt = Receipt(event, "0" * 64, 5, '"e"', AT, words, written, RecorderIdentity("f", "1" * 64, "1"))
    assert agree(sign_envelope(receipt.to_statement(), PAYLOAD_TYPE, RECEIPTS))
