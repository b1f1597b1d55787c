"""Evaluates every row of the matrix with the policies of one state."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scripts.access.matrix import Context, Matrix, Row
from scripts.access.simulator import Answer, Request, simulate
from scripts.access.world import Principal, World


@dataclass(frozen=True)
class Outcome:
    """A row and its result."""

    row: Row
    answer: Answer

    @property
    def holds(self) -> bool:
        """Whether the result is conclusive and as the row says."""
        return self.answer.decision == self.row.effect

    def __str__(self) -> str:
        """Say in one sentence what was expected, what was found and which statement decided."""
        if self.answer.decision is None:
            return f"{self.row}: inconclusive, {self.answer.problem}"
        found = "as it should be" if self.holds else f"but it is {_PAST[self.answer.decision]}"
        return f"{self.row}: {found}, by {'; '.join(self.answer.reasons)}"


_PAST = {"allow": "allowed", "deny": "denied"}


def request_of(row: Row, world: World, ignored: frozenset[str] = frozenset()) -> Request:
    """Return a row's request with all policies that apply. Raises ``ToolError`` for an unknown name.

    ignored: context keys that may be left out.
    """
    context = {key: _filled(value, world) for key, value in row.context.items()}
    asked = call(world.principal(row.who), row.action, world.arn(row.resource), context, world)
    return replace(
        asked,
        context={key: value for key, value in asked.context.items() if key not in ignored},
        controls=world.control_policies if row.guarded else None,
    )


def call(principal: Principal, action: str, resource: str, context: Context, world: World) -> Request:
    """Return a call of an action on the resource with an ARN, with all policies that apply.

    context: condition keys in addition to those that AWS sets for every call.
    """
    owner = world.owner(resource)
    whole: dict[str, str | list[str]] = {
        **principal.context,
        "aws:RequestedRegion": world.region,
        "aws:ResourceAccount": owner,
        **_of_service(action, principal, resource, world),
        **context,
    }
    return Request(
        principal=principal.id,
        action=action,
        resource=resource,
        resource_account=owner,
        context=whole,
        identity=principal.identity,
        boundary=principal.boundary,
        resource_policy=world.resource_policy(resource),
        blocks_public=world.blocks_public(resource),
    )


def evaluate(matrix: Matrix, world: World) -> list[Outcome]:
    """Evaluate every row. Raises ``ToolError`` if a row names something that does not exist."""
    ignored = frozenset(matrix.ignored_context)
    requests = [request_of(row, world.with_parts if row.parts else world, ignored) for row in matrix.rows]
    return [Outcome(row, answer) for row, answer in zip(matrix.rows, simulate(requests), strict=True)]


def _filled(value: str | list[str], world: World) -> str | list[str]:
    return world.fill(value) if isinstance(value, str) else [world.fill(one) for one in value]


def _of_service(action: str, principal: Principal, arn: str, world: World) -> dict[str, str | list[str]]:
    """Return the condition keys that the called service adds itself.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html, …/list_awskms.html
    """
    if action == "s3:PutObject":
        return {"s3:ObjectCreationOperation": "true"}
    found: dict[str, str | list[str]] = {}
    if action.startswith("kms:") and "aws:PrincipalAccount" in principal.context:
        found["kms:CallerAccount"] = principal.context["aws:PrincipalAccount"]
    if action.startswith("kms:") and world.aliases(arn):
        found["kms:ResourceAliases"] = world.aliases(arn)
        found |= {f"aws:ResourceTag/{name}": value for name, value in world.tags(arn).items()}
    return found
