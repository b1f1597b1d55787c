"""Resolves the short names of the matrix in one state, and finds the policies that apply.

raw-data/incoming/a.csv   an object, by its bucket's short name; raw-data alone is the bucket
key/signing               a key; queue, topic, role, function, table, job, stream and policy likewise
log-group/recorder/s      a stream of a log group, by default a function's; log-group/recorder is the group
secret/warehouse          a secret, which ends in six characters at random
database, workgroup, trail, catalog    there is one of each
elsewhere/loot.csv        an object in a bucket of another account
adopted/letters/a.csv     an object in the bucket that optional.tfvars adopts; key/adopted is its key
copy/log/checkpoint       an object in the second copy that optional.tfvars names; key/copy is its key
*                         for an action without resource-level permissions
arn:…                     anything else, with {partition}, {region}, {account} and {prefix}

role/etl, people/analyst, ci/plan     a session of that role
operator                  the user that deploys; administrator: a user with ``*:*`` and no boundary
scheduler                 a role that is not the kit's, and runs loads; it may do everything
outsider                  the same in another account; anonymous: an unsigned caller
github                    a workflow on GitHub with its token; the row's context says whose
service/s3                an AWS service, acting for the resource in the row's context
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from scripts.access.simulator import ANONYMOUS, NamedPolicy
from scripts.state.policies import Policy, Resource, Role, key_names, policies, resources, roles, statements
from scripts.toolchain.toolchain import ToolError

OTHER_ACCOUNT = "999999999999"
_GITHUB = "token.actions.githubusercontent.com"
_ADOPTED = "adopted-archive"
_ADOPTED_KEY = "01234567-89ab-cdef-0123-456789abcdef"
_COPY = "copied-evidence"
_COPY_KEY = "arn:{partition}:kms:us-west-2:{other_account}:key/89abcdef-0123-4567-89ab-cdef01234567"
_ELSEWHERE = "somebody-elses-bucket"
EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*"}],
}
ADMINISTRATOR_ACCESS = NamedPolicy("AdministratorAccess", EVERYTHING)

_SERVICES = {"logs": "logs.{region}.{dns_suffix}", "logging": "logging.s3.{dns_suffix}"}
"""Services whose principal differs from their name (https://docs.aws.amazon.com/general/latest/gr/rande.html)."""


@dataclass(frozen=True)
class Principal:
    """The caller: its id for the simulator, its policies, and the condition keys that AWS sets for it."""

    id: str
    context: Mapping[str, str] = field(default_factory=dict)
    identity: tuple[NamedPolicy, ...] = ()
    boundary: NamedPolicy | None = None


class AbsentError(ToolError):
    """A name that does not exist in this world."""


class World:
    """The principals, resources and policies of one state.

    document: ``terraform show -json`` of a state. Raises ``ToolError`` if it is not one of this kit.
    beside: more plans or states; if several have a resource, the first one counts. ahead: these come first.
    """

    def __init__(self, document: dict[str, Any], *beside: dict[str, Any], ahead: bool = False) -> None:
        self.document = document
        self._ahead = ahead
        self._documents = (*beside, document) if ahead else (document, *beside)
        try:
            outputs = {name: entry["value"] for name, entry in document["values"]["outputs"].items()}
            self.account = str(outputs["account_id"])
            self.region = str(outputs["region"])
            self.prefix = str(outputs["workgroup"])
            self._outputs = outputs
            database = str(outputs["database"])
            self.partition = str(outputs["trail_arn"]).split(":")[1]
        except KeyError as error:
            raise ToolError(f"The state has no {error}: apply it first.") from error
        self._names = {
            "account": self.account,
            "database_name": database,
            "other_account": OTHER_ACCOUNT,
            "partition": self.partition,
            "prefix": self.prefix,
            "region": self.region,
            "dns_suffix": "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com",
        }

    @cached_property
    def with_parts(self) -> World:
        """The same, with what is planned beside it in place of what is there."""
        return World(self.document, *self._documents[1:], ahead=True)

    def arn(self, short: str) -> str:
        """Return the ARN of a resource by its short name. Raises ``AbsentError`` if there is none."""
        kind, slash, rest = short.partition("/")
        if kind in self._buckets:
            arn = f"arn:{self.partition}:s3:::{self._buckets[kind]}{slash}{rest}"
        elif short == "key/adopted":
            arn = f"arn:{self.partition}:kms:{self.region}:{self.account}:key/{_ADOPTED_KEY}"
        elif short == "key/copy":
            arn = _COPY_KEY
        elif kind == "key":
            arn = self._listed(self._keys, rest, short)
        elif kind in _ROLE_KINDS:
            arn = self.role(_ROLE_KINDS[kind].format(rest)).arn
        elif kind == "log-group":
            group, _, stream = rest.partition("/")
            arn = self._log_groups.get(group) or _LAMBDA_LOG_GROUP.format(name=group)
            arn += f":log-stream:{stream}" if stream else ""
        elif kind == "secret":
            arn = self._listed(self._secrets, rest, short)
        elif kind == "adopted":
            arn = f"arn:{self.partition}:s3:::{_ADOPTED}{slash}{rest}"
        elif kind == "copy":
            arn = f"arn:{self.partition}:s3:::{_COPY}{slash}{rest}"
        elif kind in _PATTERNS:
            arn = _PATTERNS[kind].format(name=rest)
        elif short == "*" or short.startswith("arn:"):
            arn = short
        else:
            raise AbsentError(f"There is no resource {short!r}.")
        return self.fill(arn)

    def fill(self, text: str) -> str:
        """Return text with ``{account}`` and the like, and resources' short names in braces, filled in."""

        def value(found: re.Match[str]) -> str:
            name = found[1]
            return self._names[name] if name in self._names else self.arn(name)

        return re.sub(r"\{([^{}]+)\}", value, text)

    def owner(self, arn: str) -> str:
        """Return the account that the resource of an ARN belongs to."""
        if arn.partition("/")[0].endswith((f":::{_ELSEWHERE}", f":::{_COPY}")):
            return OTHER_ACCOUNT
        return (arn.split(":")[4] if arn != "*" else "") or self.account

    def principal(self, short: str) -> Principal:
        """Return the principal of a short name. Raises ``AbsentError`` if there is none."""
        kind, _, rest = short.partition("/")
        if short == ANONYMOUS:
            return Principal(ANONYMOUS)
        if short in {"operator", "administrator", "scheduler"}:
            return self._user(short, self.account)
        if short == "outsider":
            return self._user(short, OTHER_ACCOUNT)
        if short == "github":
            provider = f"arn:{self.partition}:iam::{self.account}:oidc-provider/{_GITHUB}"
            return Principal(provider, {"aws:SecureTransport": "true"})
        if kind == "service":
            return self._service(rest)
        if kind in _ROLE_KINDS:
            return self.session(self.role(_ROLE_KINDS[kind].format(rest)).name)
        raise AbsentError(f"There is no principal {short!r}.")

    def role(self, short: str) -> Role:
        """Return a role by its name without the prefix. Raises ``AbsentError`` if there is none."""
        name = f"{self.prefix}-{short}"
        if name not in self.roles:
            raise AbsentError(f"There is no role {name}.")
        return self.roles[name]

    @cached_property
    def roles(self) -> dict[str, Role]:
        """Every role, by name; a planned one with its future ARN."""
        found: dict[str, Role] = {}
        for document in self._documents:
            found = {**roles(document), **found}
        prefix = f"arn:{self.partition}:iam::{self.account}:role/"
        return {
            name: role if role.arn.startswith("arn:") else replace(role, arn=f"{prefix}{name}")
            for name, role in found.items()
        }

    def resource_policy(self, arn: str) -> NamedPolicy | None:
        """Return the policy on a resource, with the statements of all its policies; None if it has none."""
        if arn == self.arn("key/adopted"):
            root = {"AWS": f"arn:{self.partition}:iam::{self.account}:root"}
            statement = {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
            return NamedPolicy("the owner's key, as AWS makes it", {**EVERYTHING, "Statement": [statement]})
        if arn == self.arn("key/copy") or arn.partition("/")[0] == self.arn("copy"):
            root = {"AWS": f"arn:{self.partition}:iam::{self.account}:root"}
            statement = {"Effect": "Allow", "Principal": root, "Action": "*", "Resource": "*"}
            return NamedPolicy("all of it, from the other account", {**EVERYTHING, "Statement": [statement]})
        found = [policy for policy in self._resource_policies if policy.owner in _policy_places(arn)]
        if not found:
            return None
        document = {
            "Version": "2012-10-17",
            "Statement": [statement for policy in found for statement in statements(_known(policy))],
        }
        return NamedPolicy(f"policy of {self.short(found[0].owner)}", document)

    @property
    def control_policies(self) -> tuple[NamedPolicy, NamedPolicy]:
        """The service and the resource control policy that the deployment asks the organization for."""
        found = self._outputs["control_policies"]
        return (
            NamedPolicy("service control policy", json.loads(found["service"])),
            NamedPolicy("resource control policy", json.loads(found["resource"])),
        )

    def aliases(self, arn: str) -> list[str]:
        """Return the aliases of a key; none if the ARN is not a key's."""
        return [self._aliases[arn]] if arn in self._aliases else []

    def tags(self, arn: str) -> dict[str, str]:
        """Return the tags of a key; none if the ARN is not a key's."""
        for resource in self._resources:
            if resource.type == "aws_kms_key" and resource.values.get("arn") == arn:
                return dict(resource.values.get("tags_all") or {})
        return {}

    def blocks_public(self, arn: str) -> bool:
        """Return whether the bucket of an ARN restricts public policies (``RestrictPublicBuckets``)."""
        name = arn.partition(":::")[2].partition("/")[0]
        return any(
            resource.type == "aws_s3_bucket_public_access_block"
            and resource.values["bucket"] == name
            and resource.values["restrict_public_buckets"]
            for resource in self._resources
        )

    def short(self, arn: str) -> str:
        """Return a short name for an ARN: its name without the prefix and the account."""
        name = self._aliases.get(arn, arn).removeprefix("alias/").rpartition(":")[2]
        return name.replace(f"{self.prefix}-", "").removesuffix(f"-{self.account}")

    @cached_property
    def _resource_policies(self) -> list[Policy]:
        found: list[Policy] = []
        known: set[str] = set()
        for document in self._documents:
            made = [policy for policy in policies(document) if policy.kind == "resource"]
            found += [policy for policy in made if policy.owner not in known]
            known |= {policy.owner for policy in made}
            known |= {str(resource.values.get("arn")) for resource in resources(document)}
        trusts = [
            Policy(role.trust.address, "resource", role.arn, role.trust.name, role.trust.document)
            for role in self.roles.values()
        ]
        return found + trusts

    @cached_property
    def _keys(self) -> dict[str, str]:
        latest_first = reversed(self._aliases.items())
        named = {alias.removeprefix(f"alias/{self.prefix}-"): arn for arn, alias in latest_first}
        told = self._outputs["keys"]  # of the state itself
        return {**told, **named} if self._ahead else {**named, **told}

    @cached_property
    def _aliases(self) -> dict[str, str]:
        return {arn: alias for document in self._documents for arn, alias in key_names(document).items()}

    @cached_property
    def _resources(self) -> list[Resource]:
        """Every resource once: the first document's."""
        found: dict[str, Resource] = {}
        for document in self._documents:
            found = {**{resource.address: resource for resource in resources(document)}, **found}
        return list(found.values())

    @cached_property
    def _buckets(self) -> dict[str, str]:
        return {
            self.short(resource.values["bucket"]): resource.values["bucket"]
            for resource in self._resources
            if resource.type == "aws_s3_bucket"
        }

    @cached_property
    def _log_groups(self) -> dict[str, str]:
        """Log groups by the last part of their name; by their service if that is the kit's own."""
        found = {}
        for resource in self._resources:
            if resource.type == "aws_cloudwatch_log_group":
                folder, _, name = resource.values["name"].rpartition("/")
                short = name.replace(f"{self.prefix}-", "").removeprefix(self.prefix) or _LOG_FOLDERS[folder]
                found[short] = str(resource.values["arn"]).removesuffix(":*")
        return found

    @cached_property
    def _secrets(self) -> dict[str, str]:
        return {
            resource.values["name"].removeprefix(f"{self.prefix}-"): str(resource.values["arn"])
            for resource in self._resources
            if resource.type == "aws_secretsmanager_secret"
        }

    @staticmethod
    def _listed(known: Mapping[str, str], name: str, short: str) -> str:
        if name not in known:
            raise AbsentError(f"There is no resource {short!r}; there are {', '.join(sorted(known))}.")
        return known[name]

    # The condition keys that AWS sets for a caller:
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html

    def _user(self, name: str, account: str) -> Principal:
        if name == "scheduler":
            role = f"arn:{self.partition}:iam::{account}:role/{self.prefix}-{name}"
            return Principal(role, _signed(role, account, "AssumedRole"), (ADMINISTRATOR_ACCESS,))
        arn = f"arn:{self.partition}:iam::{account}:user/{name}"
        context = {**_signed(arn, account, "User"), "aws:username": name}
        return Principal(arn, context, (ADMINISTRATOR_ACCESS,))

    def session(self, name: str) -> Principal:
        """Return a session of a role, by the role's full name."""
        role = self.roles[name]
        account = role.arn.split(":")[4]
        return Principal(
            f"arn:{self.partition}:sts::{account}:assumed-role/{role.name}/session",
            _signed(role.arn, account, "AssumedRole"),
            tuple(NamedPolicy(f"{role.name} {policy.name}", _known(policy)) for policy in role.policies),
            _boundary(role),
        )

    def _service(self, name: str) -> Principal:
        service = self.fill(_SERVICES.get(name, f"{name}.{{dns_suffix}}"))
        return Principal(
            service,
            {
                "aws:PrincipalIsAWSService": "true",
                "aws:PrincipalServiceName": service,
                "aws:SecureTransport": "true",
            },
        )


_LAMBDA_LOG_GROUP = "arn:{{partition}}:logs:{{region}}:{{account}}:log-group:/aws/lambda/{{prefix}}-{name}"
_LOG_FOLDERS = {"/aws/cloudtrail": "trail", "/aws/vpc": "flow-logs"}
_ROLE_KINDS = {"role": "{}", "people": "people-{}", "ci": "{}"}
_PATTERNS = {
    "catalog": "arn:{{partition}}:glue:{{region}}:{{account}}:catalog",
    "elsewhere": f"arn:{{{{partition}}}}:s3:::{_ELSEWHERE}/{{name}}",
    "database": "arn:{{partition}}:glue:{{region}}:{{account}}:database/{{database_name}}",
    "function": "arn:{{partition}}:lambda:{{region}}:{{account}}:function:{{prefix}}-{name}",
    "job": "arn:{{partition}}:glue:{{region}}:{{account}}:job/{{prefix}}-{name}",
    "policy": "arn:{{partition}}:iam::{{account}}:policy/{{prefix}}-{name}",
    "queue": "arn:{{partition}}:sqs:{{region}}:{{account}}:{{prefix}}-{name}",
    "stream": "arn:{{partition}}:firehose:{{region}}:{{account}}:deliverystream/{{prefix}}-{name}",
    "table": "arn:{{partition}}:glue:{{region}}:{{account}}:table/{{database_name}}/{name}",
    "topic": "arn:{{partition}}:sns:{{region}}:{{account}}:{{prefix}}-{name}",
    "trail": "arn:{{partition}}:cloudtrail:{{region}}:{{account}}:trail/{{prefix}}",
    "workgroup": "arn:{{partition}}:athena:{{region}}:{{account}}:workgroup/{{prefix}}",
}


def _signed(arn: str, account: str, kind: str) -> dict[str, str]:
    return {
        "aws:PrincipalAccount": account,
        "aws:PrincipalArn": arn,
        "aws:PrincipalIsAWSService": "false",
        "aws:PrincipalType": kind,
        "aws:SecureTransport": "true",
        "aws:ViaAWSService": "false",
    }


def _boundary(role: Role) -> NamedPolicy | None:
    if role.boundary_arn is None:
        return None
    if role.boundary is None:
        raise ToolError(f"The state does not have {role.boundary_arn}, the boundary of {role.name}.")
    return NamedPolicy(role.boundary.name, _known(role.boundary))


def _known(policy: Policy) -> dict[str, Any]:
    if policy.document is None:
        raise ToolError(f"The state does not have the policy of {policy.address}: it cannot be evaluated.")
    return policy.document


def _policy_places(arn: str) -> Iterator[str]:
    """Yield the ARNs that a resource's policy may have: its own, and for an object its bucket's."""
    yield arn
    if ":s3:::" in arn:
        yield arn.partition("/")[0]
