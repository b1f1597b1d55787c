"""What no policy may say, whichever resource it is of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from kit import POLICIES, RESOURCE_POLICIES, TRUST, Plan, PlanCheck, Resource

ACTION_FAMILIES = {"kms:GenerateDataKey*", "kms:ReEncrypt*"}
"""The only wildcards an Allow has: AWS documents these two as one permission each."""

ACCOUNT_ROOT = re.compile(r"arn:[^:]+:iam::\d{12}:root|\d{12}")
SOURCE = re.compile(r"aws:SourceArn|kms:EncryptionContext:.+", re.IGNORECASE)
"""What names the resource for which a service acts. Its account alone lets any resource in it in."""

ANY_OF_A_KIND = re.compile(r"\*|arn:[^:]*:(?!s3:)[^:]*:[^:]*:\*?:.*|arn:.*:[a-z-]*[:/]?\*")
"""A source that is no source: everything, everything of any account, or everything of a kind.

A bucket's ARN has no account: its name is the only one of its kind.
"""


class DocumentsOnly(PlanCheck):
    number = 6
    promise = "Every policy comes from an aws_iam_policy_document, which scanners and reviewers can read"
    mend = (
        "Write the policy as data.aws_iam_policy_document and pass its json: no jsonencode, file, "
        "templatefile or text."
    )
    types = tuple(POLICIES)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        if json.loads(resource.values.get(POLICIES[resource.type]) or "null") not in [*plan.documents, None]:
            yield f"the policy of {resource.address} is none of the plan's aws_iam_policy_documents"


class NoActionWildcard(PlanCheck):
    number = 7
    promise = "No Allow has a wildcard in its actions, or means all but what it names"
    mend = (
        "Name each action. kms:GenerateDataKey* and kms:ReEncrypt* may stay: AWS documents them as one each."
    )
    types = tuple(POLICIES)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        if plan.is_boundary(resource):
            return  # it gives nothing: it caps what other policies give, each of which is judged
        for statement in resource.statements():
            if statement.effect == "Allow":
                for action in statement.actions:
                    if "*" in action and action not in ACTION_FAMILIES:
                        yield f"{statement.sid} allows {action}"
                for negation in statement.negations:
                    yield f"{statement.sid} uses {negation}, which means everything else"


class NobodyAtLarge(PlanCheck):
    number = 9
    promise = "No Allow of a resource policy lets everybody, a pattern or a whole account in"
    mend = "Name the role's whole ARN. Only a key's policy may name its account, for administration."
    types = (*RESOURCE_POLICIES, *TRUST)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        for statement in resource.statements():
            if statement.effect != "Allow":
                continue
            for kind, principal in statement.principals:
                if "*" in principal or kind == "*":
                    yield f"{statement.sid} lets {principal} in"
                elif ACCOUNT_ROOT.fullmatch(principal) and resource.type != "aws_kms_key":
                    yield f"{statement.sid} lets all of the account {principal} in"


class ServicesActForOurs(PlanCheck):
    number = 10
    promise = "A service that a resource policy lets in acts for one named resource"
    mend = (
        "Add a condition on aws:SourceArn (for a key also kms:EncryptionContext:…) with the ARN it is for. "
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html"
    )
    types = tuple(RESOURCE_POLICIES)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        for statement in resource.statements():
            if statement.effect != "Allow" or not any(kind == "Service" for kind, _ in statement.principals):
                continue
            sources = {
                value for _, key, values in statement.conditions if SOURCE.fullmatch(key) for value in values
            }
            if not sources:
                yield f"{statement.sid} lets a service in for any resource"
            for source in sources:
                if source == "*":
                    yield f"{statement.sid} lets a service in for {source}"


class TrustIsPinned(PlanCheck):
    number = 11
    promise = (
        "Who assumes a role is pinned: a service to its resource, a person to MFA, a workload to its subject"
    )
    mend = (
        "A service needs aws:SourceAccount and aws:SourceArn, for replication …IfExists; people need Bool "
        "aws:MultiFactorAuthPresent = true, third parties StringEquals sts:ExternalId; a "
        "web identity needs StringEquals on the issuer's "
        "aud and sub, without wildcards."
    )
    types = tuple(TRUST)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        for statement in resource.statements():
            if statement.effect != "Allow":
                continue
            for kind, principal in statement.principals:
                if kind == "Service":
                    # AWS documents neither for replication, whose role is to be passed by the account's own
                    if_sent = "IfExists" if principal == "s3.amazonaws.com" else ""
                    if not statement.values_of("aws:SourceAccount", "StringEquals", f"StringEquals{if_sent}"):
                        yield f"{principal} may act for any account: no aws:SourceAccount"
                    tests = ("ArnEquals", "ArnLike", "StringEquals", f"ArnEquals{if_sent}")
                    sources = statement.values_of("aws:SourceArn", *tests)
                    if not sources or any(_is_any(source, principal) for source in sources):
                        yield f"{principal} may act for any resource of its kind: no narrow aws:SourceArn"
                elif kind == "AWS":
                    has_mfa = statement.values_of("aws:MultiFactorAuthPresent", "Bool") == {"true"}
                    if not has_mfa and not statement.values_of("sts:ExternalId", "StringEquals"):
                        yield f"{principal} needs no MFA"
                elif kind == "Federated":
                    for claim in ("aud", "sub"):
                        values = {
                            value
                            for operator, key, values in statement.conditions
                            if operator == "StringEquals" and key.endswith(f":{claim}")
                            for value in values
                        }
                        if not values or any("*" in value for value in values):
                            yield f"{principal}: {claim} is not pinned by StringEquals"


class Bounded(PlanCheck):
    number = 12
    promise = "Every role and permission set has a permissions boundary"
    mend = "Make the role by modules/role, which takes boundary_arn."
    types = ("aws_iam_role",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        if not resource.values.get("permissions_boundary"):
            yield f"{resource.values['name']} has no permissions boundary"


class OneSigner(PlanCheck):
    number = 17
    promise = "One role signs with a key, and whoever checks its signatures is another"
    mend = (
        "Let one role have kms:Sign in the key's policy; whoever verifies has kms:Verify, or the public key."
    )
    # The hasher is the recorder of large objects: the same code, in a task.
    types = ("aws_kms_key",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        allowed = [statement for statement in resource.statements() if statement.effect == "Allow"]

        def those_who(action: str) -> set[str]:
            return {
                principal
                for statement in allowed
                if any(fnmatchcase(action, pattern) for pattern in statement.actions)
                for _, principal in statement.principals
            }

        signers = those_who("kms:Sign")
        if len({signer.replace("-hasher", "-recorder") for signer in signers}) > 1:
            yield f"{' and '.join(sorted(signers))} sign with {resource.address}"
        for principal in sorted(signers & those_who("kms:Verify")):
            yield f"{principal} checks what it signs with {resource.address}"


def _is_any(source: str, service: str) -> bool:
    """Whether this is a source that is none; Amazon ECS documents no narrower one than its own, here."""
    if service == "ecs-tasks.amazonaws.com" and re.fullmatch(r"arn:[^:*]+:ecs:[^:*]+:\d{12}:\*", source):
        return False
    return ANY_OF_A_KIND.fullmatch(source) is not None


checks = [
    DocumentsOnly(),
    NoActionWildcard(),
    NobodyAtLarge(),
    ServicesActForOurs(),
    TrustIsPinned(),
    Bounded(),
    OneSigner(),
]
