"""A rule of a security group keeps its description, whatever it lets in or out.

moto keeps that of addresses alone, and loses that of groups and prefix lists: such rules never settle.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SecurityGroupRule.html
"""

from __future__ import annotations

import inspect
from typing import Any

from moto.ec2.models.security_groups import SecurityGroupRule


def apply() -> None:
    """Keep it beside the rule; one that is given later takes its place."""
    make = SecurityGroupRule.__init__
    parameters = inspect.signature(make)

    def make_described(self: SecurityGroupRule, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        given = parameters.bind(self, *args, **kwargs).arguments
        other = given.get("source_group") or given.get("prefix_list_id") or {}
        self.first_description = other.get("Description")  # type: ignore[attr-defined]

    def description(self: SecurityGroupRule) -> str | None:
        return self.ip_range.get("Description", self.first_description)  # type: ignore[attr-defined]

    SecurityGroupRule.__init__ = make_described  # type: ignore[method-assign]
    SecurityGroupRule.description = property(description)  # type: ignore[assignment,method-assign]
