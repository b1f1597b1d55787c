"""The conditions that rules get from a deployment."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from custody.ledger.rules import Period, _is_deployer, _is_trusted, all_rules, parse_rule, questions
from tests.support.normal_life import DEPLOYMENT, START


@pytest.mark.parametrize(
    ("networks", "condition"),
    [
        ([], "true"),
        (["203.0.113.0/24"], "starts_with(source_ip, '203.0.113.')"),
        (["10.0.0.0/8"], "starts_with(source_ip, '10.')"),
        (["192.0.2.7/32"], "source_ip = '192.0.2.7'"),
        (["172.16.0.0/15"], "starts_with(source_ip, '172.16.') OR starts_with(source_ip, '172.17.')"),
        (["192.0.2.4/31"], "source_ip = '192.0.2.4' OR source_ip = '192.0.2.5'"),
        (["0.0.0.0/0"], "starts_with(source_ip, '')"),
    ],
)
def test_networks_are_compared_by_whole_octets(networks: list[str], condition: str) -> None:
    assert _is_trusted(networks) == condition


@pytest.mark.parametrize("missing", ["@why", "@runbook", "@false_positives", "Was it?"])
def test_a_header_that_lacks_something_is_an_error(missing: str) -> None:
    tags = "-- @severity low\n-- @why It is bad.\n-- @runbook r\n-- @false_positives None.\n"
    text = f"-- Was it?\n--\n{tags}SELECT 1\n"
    assert parse_rule("r", text).sql == "SELECT 1"
    with pytest.raises(ValueError, match="not complete"):
        parse_rule("r", text.replace(f"-- {missing}", "--", 1))


def test_rules_that_share_a_scan_are_asked_in_one_statement() -> None:
    asked = questions(all_rules().values(), DEPLOYMENT, Period(START, START + timedelta(days=1)))
    together = [{rule.name for rule in each.rules} for each in asked]
    of_the_trail = [each for each in asked if "FROM trail_calls" in each.sql]

    assert {"mismatch", "unprovenanced", "unwitnessed"} in together
    assert {"new-network", "new-principal"} in together
    assert len(of_the_trail) == 4  # calls, what is new, the gap, and receipts as they are stored
    assert sorted(name for names in together for name in names) == sorted(all_rules())


@pytest.mark.parametrize(
    ("role", "deploys"),
    [
        ("role/ci", True),
        ("role/ci2", False),
        ("role/aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_ops_0123456789abcdef", True),
        ("role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_ops_0123456789abcdef", True),
        ("role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_ops_more_0123456789abcdef", False),
    ],
)
def test_a_permission_set_whose_name_begins_like_that_of_the_deployers_does_not_deploy(
    role: str, deploys: bool
) -> None:
    account = "arn:aws:iam::123456789012"
    sets = f"{account}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_ops_*"
    pattern = _is_deployer([f"{account}:role/ci", sets]).split("'")[-2]

    assert bool(re.search(pattern, f"{account}:{role}")) is deploys
