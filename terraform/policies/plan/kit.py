"""What the checks here share: the plan as Terraform tells it, statements of policies, the form of a check.

checkov hands a check one resource, with every value wrapped in lists. These checks ask about more than one
resource, so they read the plan file itself, which ``CUSTODY_PLAN`` names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.terraform.checks.resource.base_resource_check import BaseResourceCheck

RESOURCE_POLICIES = {
    "aws_glue_resource_policy": "policy",
    "aws_kms_key": "policy",
    "aws_kms_key_policy": "policy",
    "aws_s3_bucket_policy": "policy",
    "aws_secretsmanager_secret": "policy",
    "aws_secretsmanager_secret_policy": "policy",
    "aws_sns_topic": "policy",
    "aws_sns_topic_policy": "policy",
    "aws_sqs_queue": "policy",
    "aws_sqs_queue_policy": "policy",
}
"""The resource types that hold a policy of their own, and the argument it is in."""

IDENTITY_POLICIES = {
    "aws_iam_policy": "policy",
    "aws_iam_role_policy": "policy",
    "aws_ssoadmin_permission_set_inline_policy": "inline_policy",
}
TRUST = {"aws_iam_role": "assume_role_policy"}
POLICIES = {**RESOURCE_POLICIES, **IDENTITY_POLICIES, **TRUST}


@dataclass(frozen=True)
class Statement:
    """One statement of a policy, every element of it a tuple.

    principals: (type, identifier), type being ``AWS``, ``Service``, ``Federated`` or, for everybody, ``*``.
    conditions: (operator, key, values). negations: the elements it has of ``NotAction`` and the like.
    """

    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: tuple[tuple[str, str], ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]
    negations: tuple[str, ...]

    @property
    def for_everybody(self) -> bool:
        """Whether it is about every principal there is."""
        return any(identifier == "*" for _, identifier in self.principals)

    def values_of(self, key: str, *operators: str) -> set[str]:
        """Return what the condition key is compared with, by one of these operators if any are named."""
        return {
            value
            for operator, name, values in self.conditions
            if name.lower() == key.lower() and (not operators or operator in operators)
            for value in values
        }


@dataclass(frozen=True)
class Resource:
    """A resource as planned: ``values`` are those of ``terraform show -json``."""

    address: str
    type: str
    values: dict[str, Any]

    def statements(self) -> list[Statement]:
        """Return the statements of the policy it holds. Raises ``LookupError`` if the plan knows none."""
        text = self.values.get(POLICIES[self.type])
        if not text:
            raise LookupError(f"the plan knows no policy of {self.address}")
        return statements(text)


class Plan:
    """Everything there will be, from ``terraform show -json`` of a plan."""

    def __init__(self, document: dict[str, Any]) -> None:
        every = list(_walk(document["planned_values"]["root_module"]))
        self._resources = {entry["address"]: entry for entry in every if entry["mode"] == "managed"}
        read = list(_walk(document.get("prior_state", {}).get("values", {}).get("root_module", {})))
        self.documents = [
            json.loads(entry["values"]["json"])
            for entry in [*every, *read]
            if entry["type"] == "aws_iam_policy_document" and entry["values"].get("json")
        ]
        """What the policies of ``aws_iam_policy_document`` say."""

    def at(self, address: str) -> Resource:
        """Return the resource with this address."""
        entry = self._resources[address]
        return Resource(address, entry["type"], entry["values"])

    def of(self, *types: str) -> list[Resource]:
        """Return all resources of these types."""
        return [self.at(address) for address, entry in self._resources.items() if entry["type"] in types]

    def of_bucket(self, kind: str, bucket: str) -> list[Resource]:
        """Return the resources of a type that are about the bucket with this name."""
        return [resource for resource in self.of(kind) if resource.values.get("bucket") == bucket]

    def bucket_policy(self, bucket: str) -> list[Statement]:
        """Return the statements of the bucket's policy; none if it has no policy."""
        return [
            statement
            for resource in self.of_bucket("aws_s3_bucket_policy", bucket)
            for statement in resource.statements()
        ]

    def holds_access_logs(self, bucket: str) -> bool:
        """Whether other buckets' access logs go to this one."""
        return any(
            logging.values.get("target_bucket") == bucket for logging in self.of("aws_s3_bucket_logging")
        )

    def holds_trail(self, bucket: str) -> bool:
        """Whether a trail's log files go to this bucket."""
        return any(trail.values.get("s3_bucket_name") == bucket for trail in self.of("aws_cloudtrail"))

    def is_evidence(self, bucket: str) -> bool:
        """Whether the bucket holds evidence: receipts, or a trail's log files."""
        return "-provenance-" in bucket or self.holds_trail(bucket)

    def is_boundary(self, resource: Resource) -> bool:
        """Whether it is a managed policy that is a permissions boundary, and nobody's permissions."""
        name = str(resource.values.get("name"))
        attached = self.of("aws_iam_role_policy_attachment", "aws_iam_user_policy_attachment")
        return (
            resource.type == "aws_iam_policy"
            and name.endswith("-boundary")
            and not any(str(one.values.get("policy_arn")).endswith(f"/{name}") for one in attached)
        )


class PlanCheck(BaseResourceCheck):
    """One promise about resources of some types.

    A subclass has ``number``, ``promise``, ``mend`` (what to do about a failure), ``types``, and yields from
    ``weaknesses`` what is wrong with a resource, in words. A policy that the plan does not know is a
    weakness: what cannot be read is not passed.
    """

    number: int
    promise: str
    mend: str
    types: tuple[str, ...]

    def __init__(self) -> None:
        super().__init__(
            name=self.promise,
            id=f"CKV_CUSTODY_{self.number}",
            categories=[CheckCategories.GENERAL_SECURITY],
            supported_resources=list(self.types),
            guideline=self.mend,
        )

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        """Yield what is wrong."""
        raise NotImplementedError

    def scan_resource_conf(self, conf: dict[str, Any]) -> CheckResult:
        """Judge one resource, as checkov asks."""
        path = Path(os.environ["CUSTODY_PLAN"])
        plan = _read(path, path.stat().st_mtime_ns)
        try:
            self.details = list(self.weaknesses(plan.at(conf["__address__"]), plan))
        except LookupError as error:
            self.details = [str(error)]
        return CheckResult.FAILED if self.details else CheckResult.PASSED


def statements(text: str) -> list[Statement]:
    """Return the statements of a policy in JSON."""
    found = json.loads(text)["Statement"]
    return [_statement(entry) for entry in ([found] if isinstance(found, dict) else found)]


@lru_cache(maxsize=4)
def _read(path: Path, _changed: int) -> Plan:
    return Plan(json.loads(path.read_bytes()))


def _statement(entry: dict[str, Any]) -> Statement:
    principal = entry.get("Principal", {})
    by_type = {"*": principal} if isinstance(principal, str) else principal
    return Statement(
        sid=entry.get("Sid", ""),
        effect=entry["Effect"],
        actions=_several(entry.get("Action")),
        resources=_several(entry.get("Resource")),
        principals=tuple((kind, one) for kind, ones in by_type.items() for one in _several(ones)),
        conditions=tuple(
            (operator, key, _several(values))
            for operator, keys in entry.get("Condition", {}).items()
            for key, values in keys.items()
        ),
        negations=tuple(name for name in ("NotAction", "NotPrincipal", "NotResource") if name in entry),
    )


def _several(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(
        str(one).lower() if isinstance(one, bool) else str(one)
        for one in (value if isinstance(value, list) else [value])
    )


def _walk(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _walk(child)
