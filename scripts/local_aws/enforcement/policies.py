"""The policies that apply just now: read from moto's stores for every question, since calls change them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from moto.athena.models import athena_backends
from moto.awslambda.models import lambda_backends
from moto.iam.models import IAMBackend, ManagedPolicy, Role, User, iam_backends
from moto.kms.models import Key, kms_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from scripts.local_aws.account import ACCOUNT_ID, OPERATOR_NAME, OTHER_ACCOUNT_ID, PARTITION, REGION
from scripts.local_aws.identity import Principal

_EVERYTHING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)


class Policy(NamedTuple):
    """A policy as its store has it."""

    name: str
    text: str


def of_identity(principal: Principal) -> tuple[tuple[Policy, ...], Policy | None]:
    """Return the policies of a user or of a session's role, and the boundary. The operator administers."""
    if principal.kind == "IAMUser" and principal.user_name == OPERATOR_NAME:
        return (Policy("identity-based policy AdministratorAccess", _EVERYTHING),), None
    if principal.kind not in {"AssumedRole", "IAMUser"}:
        return (), None
    iam: IAMBackend = iam_backends[principal.account_id][PARTITION]
    entity: Role | User = (
        iam.get_role_by_arn(principal.role_arn) if principal.role_arn else iam.get_user(principal.user_name)
    )
    inline = (
        Policy(f"identity-based policy {name} of {entity.name}", text)
        for name, text in entity.policies.items()
    )
    attached = (_managed("identity-based policy", one) for one in entity.managed_policies.values())
    arn = entity.permissions_boundary_arn if isinstance(entity, Role) else None
    return (*inline, *attached), _managed("permissions boundary", iam.managed_policies[arn]) if arn else None


def _managed(kind: str, policy: ManagedPolicy) -> Policy:
    return Policy(f"{kind} {policy.name}", next(one.document for one in policy.versions if one.is_default))


def of_resource(arn: str) -> tuple[Policy | None, str, bool]:
    """Return the policy of a resource, its account, and whether it is a bucket that blocks public access.

    The account is empty if it is not told by the ARN or by what is there: it is the caller's then.
    """
    _, _, service, region, account, name = (*arn.split(":", 5), "", "", "", "", "")[:6]
    if service == "s3":
        if (bucket := _bucket(name.partition("/")[0])) is None:
            return None, account, False
        block = bucket.public_access_block
        policy = (
            Policy(f"resource-based policy of {bucket.name}", bucket.policy.decode())
            if bucket.policy
            else None
        )
        return policy, bucket.account_id, bool(block and block.restrict_public_buckets)
    text = _policy_text(service, region, account, name, arn)
    return (Policy(f"resource-based policy of {name}", text) if text else None), account, False


def _policy_text(service: str, region: str, account: str, name: str, arn: str) -> str | None:
    """Return the policy of anything but a bucket; nothing if it has none, or is not there."""
    found: Any = None
    match service:
        case "iam":
            roles = iam_backends[account][PARTITION].roles.values()
            found = next((one.assume_role_policy_document for one in roles if one.arn == arn), None)
        case "kms":
            found = getattr(key(arn), "policy", None)
        case "lambda":
            functions = lambda_backends[account][region].list_functions("ALL")
            statements = [
                statement
                for one in functions
                if arn in {one.function_arn, one.function_arn.rpartition(":")[0]}
                for statement in one.policy.statements
            ]
            found = statements and json.dumps({"Version": "2012-10-17", "Statement": statements})
        case "secretsmanager":
            found = next((one.policy for one in _secrets(account, region) if one.arn == arn), None)
        case "sns":
            found = getattr(sns_backends[account][region].topics.get(arn), "policy", None)
        case "sqs":
            found = getattr(sqs_backends[account][region].queues.get(name), "policy", None)
    return str(found) if found else None


def key(name: str) -> Key | None:
    """Return the key with an id, an ARN or an alias."""
    if not name:
        return None
    account = name.split(":")[4] if name.startswith("arn:") else ACCOUNT_ID
    region = name.split(":")[3] if name.startswith("arn:") else REGION
    backend = kms_backends[account][region]
    word = name.rpartition(":")[2].removeprefix("key/")
    if word.startswith("alias/"):
        return next((one for one in backend.keys.values() if word in one.aliases), None)
    return backend.keys.get(word)


def key_of(arn: str) -> str:
    """Return the ARN of the key that a queue, topic or secret is encrypted with; empty if with none."""
    _, _, service, region, account, name = arn.split(":", 5)
    found: Any = None
    match service:
        case "secretsmanager":
            found = next((one.kms_key_id for one in _secrets(account, region) if one.arn == arn), None)
        case "sns":
            found = getattr(sns_backends[account][region].topics.get(arn), "kms_master_key_id", None)
        case "sqs":
            found = getattr(sqs_backends[account][region].queues.get(name), "kms_master_key_id", None)
    one = key(str(found or ""))
    return str(one.arn) if one else ""


def of_key(arn: str) -> dict[str, str | list[str]]:
    """Return the condition keys that KMS adds for what a key is."""
    if (found := key(arn)) is None:
        return {}
    tags = {f"aws:ResourceTag/{tag['TagKey']}": tag["TagValue"] for tag in _tags(found)}
    return {**({"kms:ResourceAliases": sorted(found.aliases)} if found.aliases else {}), **tags}


def _tags(found: Key) -> list[dict[str, str]]:
    backend = kms_backends[found.account_id][found.region]
    return list(backend.tagger.list_tags_for_resource(found.id)["Tags"])


def named(service: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call's parameters, and with them the ARNs and names that its ids stand for."""
    found = dict(parameters)
    match service:
        case "kms":
            for name in ("KeyId", "TargetKeyId"):
                if one := key(str(found.get(name, ""))):
                    found[name] = one.arn
        case "iam" if "RoleName" in found and "PermissionsBoundary" not in found:
            roles = iam_backends[ACCOUNT_ID][PARTITION].roles.values()
            role = next((one for one in roles if one.name == found["RoleName"]), None)
            if role and role.permissions_boundary_arn:
                found["PermissionsBoundary"] = role.permissions_boundary_arn
        case "lambda" if set(found) & {"EventSourceArn", "UUID"}:
            mapping = lambda_backends[ACCOUNT_ID][REGION].get_event_source_mapping(found.get("UUID", ""))
            name = str(mapping.function_arn if mapping else found.get("FunctionName", ""))
            prefix = f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:"
            found["FunctionArn"] = prefix + name.rpartition(":function:")[2]
        case "secretsmanager" if "SecretId" in found:
            known = (one.arn for one in _secrets(ACCOUNT_ID, REGION) if one.name == found["SecretId"])
            found["SecretId"] = next(known, found["SecretId"])
        case "sqs" if "QueueUrl" in found:
            found["QueueName"] = str(found["QueueUrl"]).rpartition("/")[2]
        case "athena":
            backend = athena_backends[ACCOUNT_ID][REGION]
            execution = backend.executions.get(found.get("QueryExecutionId", ""))
            query = backend.named_queries.get(found.get("NamedQueryId", ""))
            if execution or query:
                workgroup: Any = execution.workgroup if execution else query and query.workgroup
                found["WorkGroup"] = workgroup.name
            if set(found) & {"QueryString", "StatementName"}:
                found.setdefault("WorkGroup", "primary")
        case "sns" if "SubscriptionArn" in found:
            found["TopicArn"] = str(found["SubscriptionArn"]).rpartition(":")[0]
    return found


def _secrets(account: str, region: str) -> Iterator[Any]:
    return iter(list(secretsmanager_backends[account][region].secrets.values()))


def _bucket(name: str) -> FakeBucket | None:
    for account in (ACCOUNT_ID, OTHER_ACCOUNT_ID):
        buckets = s3_backends[account][PARTITION].buckets
        if name in buckets:
            return buckets[name]
    return None
