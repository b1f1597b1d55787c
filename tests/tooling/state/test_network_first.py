from __future__ import annotations

from typing import Any

import pytest

from scripts.state.network_first import is_network_first


def change(kind: str, address: str, *actions: str, before: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": kind, "address": address, "change": {"actions": [*actions], "before": before}}


NETWORK = change("aws_vpc", "module.network[0].aws_vpc.this", "create")
FUNCTION = change("aws_lambda_function", "module.gate[0].aws_lambda_function.this", "update", before={"a": 1})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([NETWORK, FUNCTION], True),
        ([FUNCTION], False),
        ([NETWORK, change("aws_lambda_function", FUNCTION["address"], "create")], False),
        ([NETWORK | {"change": {"actions": ["no-op"], "before": {}}}, FUNCTION], False),
        ([change("aws_vpc", "module.other.aws_vpc.this", "create"), FUNCTION], False),
        ([], False),
    ],
)
def test_a_network_is_made_before_functions_join_it(changes: list[dict[str, Any]], expected: bool) -> None:
    assert is_network_first({"resource_changes": changes}) is expected
