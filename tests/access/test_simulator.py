"""The simulator gives the results that AWS documents: the matrix can only be as reliable as these."""

from __future__ import annotations

from typing import Any

import pytest

from scripts.access.simulator import ANONYMOUS, Answer, NamedPolicy, Request, simulate

HERE, THERE = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{HERE}:role/worker"
SESSION = f"arn:aws:sts::{HERE}:assumed-role/worker/session"
USER = f"arn:aws:iam::{HERE}:user/ann"
STRANGER = f"arn:aws:iam::{THERE}:user/bob"
OBJECT, BUCKET = "arn:aws:s3:::bucket/incoming/a", "arn:aws:s3:::bucket"
KEY = f"arn:aws:kms:us-east-1:{HERE}:key/1234abcd-12ab-34cd-56ef-1234567890ab"

GUIDE = "https://docs.aws.amazon.com/IAM/latest/UserGuide"
LOGIC = f"{GUIDE}/reference_policies_evaluation-logic_policy-eval-denyallow.html"
BASICS = f"{GUIDE}/reference_policies_evaluation-logic_policy-eval-basics.html"
BOUNDARIES = f"{GUIDE}/access_policies_boundaries.html"
CROSS_ACCOUNT = f"{GUIDE}/reference_policies_evaluation-logic-cross-account.html"
CONDITIONS = f"{GUIDE}/reference_policies_elements_condition_operators.html"
RESOURCES = f"{GUIDE}/reference_policies_elements_resource.html"
PRINCIPALS = f"{GUIDE}/reference_policies_elements_principal.html"
DEPUTY = f"{GUIDE}/confused-deputy.html"
TRUST = f"{GUIDE}/id_roles_create_for-service.html"
OIDC = f"{GUIDE}/id_roles_create_for-idp_oidc.html"
KEY_POLICY = "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"
VIA_SERVICE = "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html"
PUBLIC = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html"
CONTROLS = "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html"
RESOURCE_CONTROLS = (
    "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html"
)
CONDITIONAL = "https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html"


def policy(*statements: dict[str, Any]) -> NamedPolicy:
    return NamedPolicy("p", {"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str = "s3:GetObject", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Sid": "A", "Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str = "s3:GetObject", resource: str = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Sid": "D", "Effect": "Deny"}


def ask(
    principal: str = SESSION,
    action: str = "s3:GetObject",
    resource: str = OBJECT,
    account: str = HERE,
    **more: Any,
) -> Request:
    return Request(principal, action, resource, account, **more)


def to(*principals: str) -> dict[str, Any]:
    return {"Principal": {"AWS": list(principals)}}


def trust(action: str, **more: Any) -> dict[str, Any]:
    return {"Sid": "A", "Effect": "Allow", "Action": action, **more}


def service(name: str) -> dict[str, Any]:
    return {"Principal": {"Service": name}}


EVERYTHING = policy(allow("*"))
PUBLIC_READ = policy(allow(Principal="*"))
DELEGATES = allow("kms:*", Principal={"AWS": f"arn:aws:iam::{HERE}:root"})
VIA_S3 = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
QUEUE = f"arn:aws:sqs:us-east-1:{HERE}:q"
NO_TLS = {"Bool": {"aws:SecureTransport": "false"}}
OTHERS = {"ArnNotLike": {"aws:PrincipalArn": ROLE}, "Bool": {"aws:PrincipalIsAWSService": "false"}}
OWN_BUCKET = {"StringEquals": {"aws:SourceAccount": HERE}, "ArnLike": {"aws:SourceArn": BUCKET}}
ONCE = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
CREATES = {"s3:ObjectCreationOperation": "true"}
LOGS = "logs.us-east-1.amazonaws.com"
CONTEXT_A = {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:us-east-1:1:log-group:a"}
LOG_OF_A = {"ArnEquals": CONTEXT_A}
NOTIFIED = policy(allow("sqs:SendMessage", **service("s3.amazonaws.com"), Condition=OWN_BUCKET))
LOG_KEY = policy(allow("kms:Decrypt", **service(LOGS), Condition=LOG_OF_A))
TLS_ONLY = policy(deny(Principal="*", Condition=NO_TLS))
NAMED_ONLY = policy(deny(Principal="*", Condition=OTHERS))
WRITE_ONCE = policy(deny("s3:PutObject", Principal="*", Condition=ONCE))
THROUGH_S3 = policy({**DELEGATES, "Condition": VIA_S3})
GITHUB = f"arn:aws:iam::{HERE}:oidc-provider/token.actions.githubusercontent.com"
SUBJECT = "token.actions.githubusercontent.com:sub"
OF_MAIN = trust(
    "sts:AssumeRoleWithWebIdentity",
    Principal={"Federated": GITHUB},
    Condition={"StringEquals": {SUBJECT: "repo:o/r:environment:dev"}},
)
TRUSTS_LAMBDA = {
    key: value
    for key, value in allow("sts:AssumeRole", **service("lambda.amazonaws.com")).items()
    if key != "Resource"
}
TRUSTS_USER = {key: value for key, value in allow("sts:AssumeRole", **to(USER)).items() if key != "Resource"}

KEEPS = policy(deny("s3:DeleteObject"))
KEEPS_FROM_ALL = policy(deny("s3:DeleteObject", Principal="*"))
LIMITS = (KEEPS, KEEPS_FROM_ALL)
NO_LIMITS = (policy(deny("s3:ListBucket")), policy(deny("s3:ListBucket", Principal="*")))
DELETES = policy(allow("s3:DeleteObject", Principal="*"))

KNOWN: list[tuple[str, str, str, Request]] = [
    ("nothing allows, so it is denied", BASICS, "deny", ask()),
    ("an identity policy is enough in one account", BASICS, "allow", ask(identity=(policy(allow()),))),
    ("a bucket's policy is enough too", BASICS, "allow", ask(resource_policy=policy(allow(**to(ROLE))))),
    ("deny wins in identity policies", LOGIC, "deny", ask(identity=(policy(allow()), policy(deny())))),
    (
        "deny wins from the resource",
        LOGIC,
        "deny",
        ask(identity=(EVERYTHING,), resource_policy=policy(deny(Principal="*"))),
    ),
    (
        "deny wins over a resource's allow",
        LOGIC,
        "deny",
        ask(identity=(policy(deny()),), resource_policy=policy(allow(**to(ROLE)))),
    ),
    (
        "a boundary caps",
        BOUNDARIES,
        "deny",
        ask(identity=(EVERYTHING,), boundary=policy(allow("s3:PutObject"))),
    ),
    ("a boundary grants nothing", BOUNDARIES, "deny", ask(boundary=EVERYTHING)),
    (
        "a boundary's deny wins",
        BOUNDARIES,
        "deny",
        ask(boundary=policy(allow("*"), deny()), resource_policy=policy(allow(**to(SESSION)))),
    ),
    (
        "a grant to a role is capped by its boundary",
        BOUNDARIES,
        "deny",
        ask(boundary=policy(allow("s3:PutObject")), resource_policy=policy(allow(**to(ROLE)))),
    ),
    (
        "a grant to a session is not",
        BOUNDARIES,
        "allow",
        ask(boundary=policy(allow("s3:PutObject")), resource_policy=policy(allow(**to(SESSION)))),
    ),
    (
        "a grant to a user is not",
        BOUNDARIES,
        "allow",
        ask(USER, boundary=policy(allow("s3:PutObject")), resource_policy=policy(allow(**to(USER)))),
    ),
    (
        "across accounts the resource alone is not enough",
        CROSS_ACCOUNT,
        "deny",
        ask(STRANGER, resource_policy=policy(allow(**to(STRANGER)))),
    ),
    ("nor the identity alone", CROSS_ACCOUNT, "deny", ask(STRANGER, identity=(EVERYTHING,))),
    (
        "both are",
        CROSS_ACCOUNT,
        "allow",
        ask(STRANGER, identity=(EVERYTHING,), resource_policy=policy(allow(**to(STRANGER)))),
    ),
    (
        "an object of another prefix",
        BASICS,
        "deny",
        ask(identity=(policy(allow(resource="arn:aws:s3:::bucket/out/*")),)),
    ),
    (
        "* spans slashes",
        RESOURCES,
        "allow",
        ask(resource=f"{OBJECT}/b/c", identity=(policy(allow(resource="arn:aws:s3:::bucket/inc*")),)),
    ),
    ("a bucket's ARN is not its objects", RESOURCES, "deny", ask(identity=(policy(allow(resource=BUCKET)),))),
    (
        "without TLS",
        CONDITIONS,
        "deny",
        ask(context={"aws:SecureTransport": "false"}, identity=(EVERYTHING,), resource_policy=TLS_ONLY),
    ),
    (
        "over TLS",
        CONDITIONS,
        "allow",
        ask(context={"aws:SecureTransport": "true"}, identity=(EVERYTHING,), resource_policy=TLS_ONLY),
    ),
    (
        "a condition on an absent key does not hold",
        CONDITIONS,
        "deny",
        ask(identity=(policy(allow(Condition={"StringEquals": {"aws:SourceAccount": HERE}})),)),
    ),
    (
        "a negated one does",
        CONDITIONS,
        "deny",
        ask(
            identity=(EVERYTHING,),
            resource_policy=policy(
                deny(Principal="*", Condition={"StringNotEquals": {"aws:SourceAccount": HERE}})
            ),
        ),
    ),
    (
        "IfExists lets an absent key pass",
        CONDITIONS,
        "allow",
        ask(identity=(policy(allow(Condition={"StringEqualsIfExists": {"aws:SourceAccount": HERE}})),)),
    ),
    (
        "explicit principals: one of them",
        CONDITIONS,
        "allow",
        ask(
            context={"aws:PrincipalArn": ROLE, "aws:PrincipalIsAWSService": "false"},
            identity=(EVERYTHING,),
            resource_policy=NAMED_ONLY,
        ),
    ),
    (
        "explicit principals: an administrator",
        CONDITIONS,
        "deny",
        ask(
            USER,
            context={"aws:PrincipalArn": USER, "aws:PrincipalIsAWSService": "false"},
            identity=(EVERYTHING,),
            resource_policy=NAMED_ONLY,
        ),
    ),
    (
        "an overwrite",
        CONDITIONAL,
        "deny",
        ask(action="s3:PutObject", context=CREATES, identity=(EVERYTHING,), resource_policy=WRITE_ONCE),
    ),
    (
        "a conditional write",
        CONDITIONAL,
        "allow",
        ask(
            action="s3:PutObject",
            context={**CREATES, "s3:if-none-match": "*"},
            identity=(EVERYTHING,),
            resource_policy=WRITE_ONCE,
        ),
    ),
    ("a public bucket", PUBLIC, "allow", ask(ANONYMOUS, resource_policy=PUBLIC_READ)),
    (
        "a public bucket that is blocked",
        PUBLIC,
        "deny",
        ask(ANONYMOUS, resource_policy=PUBLIC_READ, blocks_public=True),
    ),
    (
        "a key delegates to the account",
        KEY_POLICY,
        "allow",
        ask(
            action="kms:Decrypt",
            resource=KEY,
            identity=(policy(allow("kms:Decrypt")),),
            resource_policy=policy(DELEGATES),
        ),
    ),
    (
        "a key that does not delegate",
        KEY_POLICY,
        "deny",
        ask(
            action="kms:Decrypt",
            resource=KEY,
            identity=(EVERYTHING,),
            resource_policy=policy(allow("kms:DescribeKey", **to(f"arn:aws:iam::{HERE}:root"))),
        ),
    ),
    (
        "delegation alone grants nothing",
        KEY_POLICY,
        "deny",
        ask(action="kms:Decrypt", resource=KEY, resource_policy=policy(DELEGATES)),
    ),
    (
        "a key's policy may name a role",
        KEY_POLICY,
        "allow",
        ask(action="kms:Sign", resource=KEY, resource_policy=policy(allow("kms:Sign", **to(ROLE)))),
    ),
    (
        "through S3",
        VIA_SERVICE,
        "allow",
        ask(
            action="kms:Decrypt",
            resource=KEY,
            context={"kms:ViaService": "s3.us-east-1.amazonaws.com"},
            identity=(EVERYTHING,),
            resource_policy=THROUGH_S3,
        ),
    ),
    (
        "not through S3",
        VIA_SERVICE,
        "deny",
        ask(action="kms:Decrypt", resource=KEY, identity=(EVERYTHING,), resource_policy=THROUGH_S3),
    ),
    (
        "the right encryption context",
        VIA_SERVICE,
        "allow",
        ask(LOGS, "kms:Decrypt", KEY, context=CONTEXT_A, resource_policy=LOG_KEY),
    ),
    (
        "another encryption context",
        VIA_SERVICE,
        "deny",
        ask(
            LOGS,
            "kms:Decrypt",
            KEY,
            context={"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:us-east-1:1:log-group:b"},
            resource_policy=LOG_KEY,
        ),
    ),
    ("no encryption context", VIA_SERVICE, "deny", ask(LOGS, "kms:Decrypt", KEY, resource_policy=LOG_KEY)),
    (
        "a service for our bucket",
        DEPUTY,
        "allow",
        ask(
            "s3.amazonaws.com",
            "sqs:SendMessage",
            QUEUE,
            context={"aws:SourceAccount": HERE, "aws:SourceArn": BUCKET},
            resource_policy=NOTIFIED,
        ),
    ),
    (
        "a service for a stranger's",
        DEPUTY,
        "deny",
        ask(
            "s3.amazonaws.com",
            "sqs:SendMessage",
            QUEUE,
            context={"aws:SourceAccount": THERE, "aws:SourceArn": "arn:aws:s3:::other"},
            resource_policy=NOTIFIED,
        ),
    ),
    (
        "another service",
        DEPUTY,
        "deny",
        ask(
            "sns.amazonaws.com",
            "sqs:SendMessage",
            QUEUE,
            context={"aws:SourceAccount": HERE, "aws:SourceArn": BUCKET},
            resource_policy=NOTIFIED,
        ),
    ),
    (
        "a service that a role trusts",
        TRUST,
        "allow",
        ask("lambda.amazonaws.com", "sts:AssumeRole", ROLE, resource_policy=policy(TRUSTS_LAMBDA)),
    ),
    (
        "a service that it does not",
        TRUST,
        "deny",
        ask("glue.amazonaws.com", "sts:AssumeRole", ROLE, resource_policy=policy(TRUSTS_LAMBDA)),
    ),
    (
        "an administrator whom a role does not trust",
        TRUST,
        "deny",
        ask(USER, "sts:AssumeRole", ROLE, identity=(EVERYTHING,), resource_policy=policy(TRUSTS_LAMBDA)),
    ),
    (
        "a user whom a role trusts by name",
        PRINCIPALS,
        "allow",
        ask(USER, "sts:AssumeRole", ROLE, resource_policy=policy(TRUSTS_USER)),
    ),
    (
        "a workflow of that environment",
        OIDC,
        "allow",
        ask(
            GITHUB,
            "sts:AssumeRoleWithWebIdentity",
            ROLE,
            context={SUBJECT: "repo:o/r:environment:dev"},
            resource_policy=policy(OF_MAIN),
        ),
    ),
    (
        "a workflow of a fork",
        OIDC,
        "deny",
        ask(
            GITHUB,
            "sts:AssumeRoleWithWebIdentity",
            ROLE,
            context={SUBJECT: "repo:x/r:environment:dev"},
            resource_policy=policy(OF_MAIN),
        ),
    ),
    (
        "a service control policy denies an administrator",
        CONTROLS,
        "deny",
        ask(USER, "s3:DeleteObject", identity=(EVERYTHING,), controls=(KEEPS, NO_LIMITS[1])),
    ),
    (
        "control policies grant nothing",
        CONTROLS,
        "deny",
        ask(USER, "s3:DeleteObject", controls=NO_LIMITS),
    ),
    (
        "what control policies do not deny is as it was",
        CONTROLS,
        "allow",
        ask(USER, identity=(EVERYTHING,), controls=LIMITS),
    ),
    (
        "a resource control policy denies principals of other accounts",
        RESOURCE_CONTROLS,
        "deny",
        ask(
            STRANGER,
            "s3:DeleteObject",
            identity=(EVERYTHING,),
            resource_policy=DELETES,
            controls=(NO_LIMITS[0], KEEPS_FROM_ALL),
        ),
    ),
]


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    return dict(zip((known[0] for known in KNOWN), simulate([known[3] for known in KNOWN]), strict=True))


@pytest.mark.parametrize(
    ("name", "source", "expected"), [known[:3] for known in KNOWN], ids=lambda value: value
)
def test_a_documented_answer(answers: dict[str, Answer], name: str, source: str, expected: str) -> None:
    assert source.startswith("https://docs.aws.amazon.com/")
    assert answers[name].decision == expected, answers[name]


def test_the_statement_that_decides_is_named() -> None:
    denied, allowed, nowhere = simulate(
        [
            ask(identity=(EVERYTHING,), resource_policy=policy(deny(Principal="*"))),
            ask(identity=(policy(allow()),)),
            ask(identity=(EVERYTHING,), boundary=policy(allow("s3:PutObject"))),
        ]
    )
    assert denied.reasons == ("p: D",)
    assert allowed.reasons == ("p: A",)
    assert nowhere.reasons == ("nothing in the boundary allows it",)


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        (ask(context={"s3:object-lock-mode": "GOVERNANCE"}), "context left out: s3:object-lock-mode"),
        (ask(action="s3:GetObjekt"), "invalid.action"),
        (ask(action="cloudtrail:ListPublicKeys"), "must.use.wildcard"),
        (ask(resource=KEY), "no.resource.types"),
        (ask(resource="arn:aws:s3:::bucket/*"), "a pattern"),
        (
            ask(
                identity=(NamedPolicy("p", {"Version": "2012-10-17", "Statement": [{"Effect": "Perhaps"}]}),)
            ),
            "p",
        ),
    ],
    ids=[
        "unknown context",
        "no such action",
        "no resource form",
        "another service's",
        "a pattern",
        "no policy",
    ],
)
def test_what_it_does_not_understand_is_no_answer(question: Request, problem: str) -> None:
    (answer,) = simulate([question])
    assert answer.decision is None
    assert problem in answer.problem
