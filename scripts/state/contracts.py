"""The contracts in a state or a plan, and what tables would lose by their changes."""

from __future__ import annotations

import json
import re
from typing import Any

from custody.errors import UsageError
from custody.etl.change import losses
from custody.etl.contract import parse_contract
from scripts.state.policies import resources

_CONTRACT = re.compile(r'module\.jobs(?:\[0\])?\.aws_s3_object\.contract\["([^"]+)"\]')


def contracts(document: dict[str, Any]) -> dict[str, str]:
    """The contracts by table, as the jobs read them, of a state or of what there will be after a plan."""
    return {
        match[1]: resource.values["content"]
        for resource in resources(document)
        if (match := _CONTRACT.fullmatch(resource.address)) and resource.values.get("content")
    }


def contract_losses(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str]]:
    """By table, a sentence for each thing that it would lose, if ``before`` became ``after``.

    A contract that is taken away loses nothing: the table stays in its bucket, and goes on where it was when
    the contract is deployed again.
    """
    old, new = contracts(before), contracts(after)
    return [
        (table, sentence)
        for table in sorted(old.keys() & new.keys())
        if old[table] != new[table]
        for sentence in _losses(old[table], new[table])
    ]


def _losses(before: str, after: str) -> list[str]:
    if not json.loads(before).get("source"):
        return []
    try:
        old = parse_contract(before)
    except UsageError as error:
        return [f"It cannot be compared with the one that is deployed, which cannot be read: {error}"]
    return losses(old, parse_contract(after))
