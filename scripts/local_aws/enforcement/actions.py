"""Which IAM actions a call needs, and on which resources.

Nearly every operation needs the action of its own name, on the resource that its parameters name. The Service
Authorization Reference says of which kind that is, and what its ARN looks like; it is read here as the
simulator's package has it. Whatever departs from this is in the tables below.
https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from scripts.local_aws.account import ACCOUNT_ID, REGION
from scripts.toolchain.node import PACKAGES

Parameters = Mapping[str, Any]
Context = Mapping[str, str | list[str]]
NONE_NAMED = "-"
"""In place of a name that the call does not have: only what is allowed for all names is allowed then."""
_DATA = PACKAGES / "node_modules" / "@cloud-copilot" / "iam-data" / "data"
_SERVICES = {"monitoring": "cloudwatch", "tagging": "tag"}
"""Prefix of actions, where it differs from the name in a request's signature."""
_FREE = {("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")}
"""Nobody needs a permission for these, and no policy takes them away."""
_ACTIONS = {
    ("lambda", "Invoke"): "InvokeFunction",
    ("lambda", "InvokeAsync"): "InvokeFunction",
    ("sns", "PublishBatch"): "Publish",
    ("sqs", "ChangeMessageVisibilityBatch"): "ChangeMessageVisibility",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sqs", "SendMessageBatch"): "SendMessage",
}
_PASSED = {
    ("cloudtrail", "CreateTrail"): ("CloudWatchLogsRoleArn", "cloudtrail"),
    ("cloudtrail", "UpdateTrail"): ("CloudWatchLogsRoleArn", "cloudtrail"),
    ("firehose", "CreateDeliveryStream"): ("ExtendedS3DestinationConfiguration.RoleARN", "firehose"),
    ("firehose", "UpdateDestination"): ("ExtendedS3DestinationUpdate.RoleARN", "firehose"),
    ("glue", "CreateJob"): ("Role", "glue"),
    ("glue", "UpdateJob"): ("JobUpdate.Role", "glue"),
    ("lambda", "CreateFunction"): ("Role", "lambda"),
    ("lambda", "UpdateFunctionConfiguration"): ("Role", "lambda"),
}
"""Where a call names a role that the service is to use, and as which service: ``iam:PassRole``."""
_CONTEXT: dict[str, dict[str, str]] = {
    "cloudwatch:PutMetricData": {"cloudwatch:namespace": "Namespace"},
    "secretsmanager:GetSecretValue": {"secretsmanager:VersionStage": "VersionStage"},
    "sns:Subscribe": {"sns:Protocol": "Protocol", "sns:Endpoint": "Endpoint"},
    "sts:AssumeRole": {"sts:ExternalId": "ExternalId", "sts:RoleSessionName": "RoleSessionName"},
}
"""Condition keys with the value of a parameter."""
NAMES = {
    "AlarmName": ("AlarmName", "AlarmNames"),
    "DashboardName": ("DashboardName", "DashboardNames"),
    "DataCatalogName": ("CatalogName", "Name"),
    "DatabaseName": ("DatabaseName", "DatabaseInput.Name", "Name"),
    "JobName": ("JobName", "Name"),
    "LogGroupName": ("logGroupName",),
    "LogStreamName": ("logStreamName",),
    "PolicyNameWithPath": ("PolicyName",),
    "RoleNameWithPath": ("RoleName",),
    "RuleName": ("Rule", "Name"),
    "RulesetName": ("Name",),
    "TableName": ("TableName", "TableInput.Name", "Name"),
    "TopicName": ("Name",),
    "TrailName": ("TrailName", "Name", "TrailNameList"),
    "UserNameWithPath": ("UserName",),
    "WorkGroupName": ("WorkGroup", "Name"),
}
"""The parameters that may have a name of an ARN, where it is not the one of the same name."""
_GIVEN = {"Partition": "aws", "Region": REGION, "Account": ACCOUNT_ID, "DatasetId": "default"}
_OTHERS = {("glue", "catalog"), ("events", "event-busv2"), ("events", "rule-on-custom-event-bus")}
"""Kinds of resources that are not emulated: catalogues of other services, buses of one's own."""
_MOMENT_OF_SIGN_IN = {"aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "0"}
"""Of a call with a code of a device: it is the moment of the sign-in."""


class UnknownActionError(Exception):
    """What a call needs is not known; the message names its action."""


@dataclass(frozen=True)
class Need:
    """An action on a resource, and the condition keys that the call adds to those of its caller.

    resource: an ARN, or ``*``.
    """

    action: str
    resource: str
    context: Context = field(default_factory=dict)


def needs(service: str, operation: str, parameters: Parameters) -> list[Need]:
    """Return what a call needs: every one of these must be allowed.

    service: as in the signature. parameters: as the API names them, with what ``policies.named`` adds.
    Raises ``UnknownActionError``.
    """
    if (service, operation) in _FREE:
        return []
    prefix = _SERVICES.get(service, service)
    action = f"{prefix}:{_ACTIONS.get((service, operation), operation)}"
    context = dict(_context(action, parameters))
    found = [Need(action, resource, context) for resource in _resources(action, parameters)]
    path, passed_to = _PASSED.get((service, operation), ("", ""))
    if role := _at(parameters, path):
        role = role if role.startswith("arn:") else f"arn:aws:iam::{ACCOUNT_ID}:role/{role}"
        found.append(Need("iam:PassRole", role, {"iam:PassedToService": f"{passed_to}.amazonaws.com"}))
    return found


def _context(action: str, parameters: Parameters) -> Iterator[tuple[str, str | list[str]]]:
    for key, name in _CONTEXT.get(action, {}).items():
        if name in parameters:
            yield key, str(parameters[name])
    if action == "sts:AssumeRole" and "TokenCode" in parameters:
        yield from _MOMENT_OF_SIGN_IN.items()
    if action == "events:PutEvents":
        yield "events:source", sorted({str(entry.get("Source", "")) for entry in parameters["Entries"]})
    if action.startswith("kms:"):
        for key, value in (parameters.get("EncryptionContext") or {}).items():
            yield f"kms:EncryptionContext:{key}", str(value)
    if action.startswith("iam:") and "PermissionsBoundary" in parameters:
        yield "iam:PermissionsBoundary", str(parameters["PermissionsBoundary"])
    if action.startswith("lambda:") and "FunctionArn" in parameters:
        yield "lambda:FunctionArn", str(parameters["FunctionArn"])
    for key, value in _tags(parameters):
        yield f"aws:RequestTag/{key}", value


def _tags(parameters: Parameters) -> Iterator[tuple[str, str]]:
    """Yield the tags that a call gives, in whatever shape its service has them."""
    specified = [tag for each in parameters.get("TagSpecifications", ()) for tag in each.get("Tags", ())]
    tags = next((parameters[name] for name in ("Tags", "tags", "TagsList") if name in parameters), specified)
    if isinstance(tags, Mapping):
        yield from ((str(key), str(value)) for key, value in tags.items())
        return
    for tag in tags:
        words = {name.lower(): str(value) for name, value in tag.items()}
        yield words.get("key") or words.get("tagkey", ""), words.get("value") or words.get("tagvalue", "")


def _resources(action: str, parameters: Parameters) -> list[str]:
    """Return the ARNs that an action is on; all of those of a table of Glue's, else one."""
    found = forms(action)
    if action == "events:PutEvents":
        buses = {str(entry.get("EventBusName") or "default") for entry in parameters["Entries"]}
        return [_filled(found["event-bus"], {"EventBusName": bus, "arn": bus}) for bus in sorted(buses)]
    arns = [_filled(form, parameters) for form in found.values()]
    if "rootcatalog" in found or not arns:
        return arns[::-1] or ["*"]  # the table first
    return [min(arns, key=lambda arn: _names(arn).count(NONE_NAMED))]


def changes(action: str) -> bool:
    """Whether an action changes something, by its level of access. Raises ``UnknownActionError``."""
    return _details(action)["accessLevel"] not in {"List", "Read"}


def forms(action: str) -> dict[str, str]:
    """Return the forms of ARNs that an action may be on, by kind. Raises ``UnknownActionError``."""
    service = action.partition(":")[0]
    known = _read("resourceTypes", service)
    kinds = [kind["name"].lower() for kind in _details(action)["resourceTypes"]]
    return {kind: str(known[kind]["arn"]) for kind in kinds if (service, kind) not in _OTHERS}


def _details(action: str) -> dict[str, Any]:
    service, _, name = action.partition(":")
    details = _read("actions", service).get(name.lower())
    if details is None:
        raise UnknownActionError(f"{action}: there is no such action")
    return dict(details)


def pattern(form: str) -> re.Pattern[str]:
    """Return what matches every ARN of a form, with a group for each variable."""
    return re.compile(re.sub(r"\\\$\\\{(\w+)\\\}", r"(?P<\1>[^:]+)", re.escape(form)))


def _names(arn: str) -> list[str]:
    return re.split("[:/]", arn)


def _filled(form: str, parameters: Parameters) -> str:
    """Return an ARN of this form, with the names that are in the parameters."""
    for name in parameters:
        if (value := _at(parameters, name)).startswith("arn:") and pattern(form).fullmatch(value):
            return value

    return re.sub(r"\$\{(\w+)\}", lambda found: _name(found[1], parameters), form)


def _name(variable: str, parameters: Parameters) -> str:
    named = (_at(parameters, path) for path in NAMES.get(variable, (variable,)))
    return next((one for one in named if one and ":" not in one), _GIVEN.get(variable, NONE_NAMED))


def _at(parameters: Parameters, path: str) -> str:
    """Return the text at a path of the parameters, of a list its only entry; else nothing."""
    found: Any = parameters
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, list) and len(found) == 1:
        (found,) = found
    return found if isinstance(found, str) else ""


@cache
def _read(what: str, service: str) -> dict[str, Any]:
    path = _DATA / what / f"{service}.json"
    if not path.is_file():
        raise UnknownActionError(f"{service}: there is no such service")
    return dict(json.loads(path.read_text(encoding="utf-8")))
