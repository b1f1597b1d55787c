"""The fast reader of receipts reads nothing that the strict one does not, and never to another value."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator

from custody.errors import EvidenceError
from custody.evidence.dsse import sign_envelope
from custody.evidence.envelope import parse_envelope
from custody.evidence.receipt import PAYLOAD_TYPE, parse_statement
from custody.verify.canonical import read_canonical
from tests.fuzz import poison
from tests.support.log import ENVELOPES, RECEIPTS


def agree(data: bytes) -> bool:
    """Whether it was read; if it was, the strict reader gives the same."""
    found = read_canonical(data)
    if found is None:
        return False
    envelope = parse_envelope(data)
    assert envelope.payload_type == PAYLOAD_TYPE
    assert (envelope.payload, parse_statement(envelope.payload)) == (found.payload, found.receipt)
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
