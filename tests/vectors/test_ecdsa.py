"""NIST's examples of signatures over P-256 and SHA-256, right and wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from custody.errors import EvidenceError
from custody.log.ecdsa import is_signature, parse_public_key
from tests.support.ecdsa import spki, to_der

EXAMPLES = json.loads((Path(__file__).parent / "ecdsa_p256.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["why"])
def test_examples_of_nist(example: dict[str, Any]) -> None:
    numbers = {name: int(example[name], 16) for name in ("x", "y", "r", "s")}
    signature, message = to_der(numbers["r"], numbers["s"]), bytes.fromhex(example["message"])
    try:
        point = parse_public_key(spki(numbers["x"], numbers["y"]))
    except EvidenceError:
        assert not example["valid"]
    else:
        assert is_signature(point, signature, message) == example["valid"]


def test_both_kinds_are_among_them() -> None:
    assert {example["valid"] for example in EXAMPLES} == {True, False}
