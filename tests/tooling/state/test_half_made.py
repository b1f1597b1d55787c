from __future__ import annotations

import pytest

from scripts.state.half_made import half_made, would_make_again


def test_what_is_half_made_is_found_where_it_is_in_the_state() -> None:
    def resource(kind: str, *instances: object, **more: str) -> dict[str, object]:
        return {"mode": "managed", "type": kind, "name": "this", "instances": [*instances]} | more

    state = {
        "resources": [
            resource("aws_kms_key", {"status": "tainted"}),
            resource(
                "aws_cloudtrail", {"status": "tainted", "index_key": 0}, {"index_key": 1}, module="module.t"
            ),
            resource("aws_kms_key", {"status": "tainted", "deposed": "1a2b3c4d"}, name="other"),
            resource("aws_s3_bucket", {"status": "tainted", "index_key": 'a"b'}, module='module.b["c.d"]'),
            resource("aws_secretsmanager_secret", {"attributes": {}}),
            resource("aws_lambda_function", {"status": "tainted"}),
            {"mode": "data", "type": "aws_kms_key", "name": "this", "instances": [{"status": "tainted"}]},
        ]
    }
    assert half_made(state) == [
        "aws_kms_key.this",
        "module.t.aws_cloudtrail.this[0]",
        'module.b["c.d"].aws_s3_bucket.this["a\\"b"]',
    ]
    assert half_made({"resources": []}) == []


@pytest.mark.parametrize(
    ("kind", "reason", "expected"),
    [
        ("aws_kms_key", "replace_because_tainted", True),
        ("aws_kms_key", "replace_because_cannot_update", False),
        ("aws_lambda_function", "replace_because_tainted", False),
        ("aws_sns_topic", "replace_because_tainted", True),
    ],
)
def test_a_plan_that_would_make_it_again_is_known(kind: str, reason: str, expected: bool) -> None:
    plan = {"resource_changes": [{"type": kind}, {"type": kind, "action_reason": reason}]}
    assert would_make_again(plan) is expected
