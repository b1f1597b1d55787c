"""What must be true of every bucket, of queues and topics beside them, and of the evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from kit import Plan, PlanCheck, Resource, Statement

DELETING = {
    "s3:BypassGovernanceRetention",
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:ReplicateDelete",
    "s3:UpdateObjectEncryption",
}
"""What takes evidence away, or puts it under a key that may not be there one day."""
AT_ONCE = {"GLACIER_IR", "INTELLIGENT_TIERING", "STANDARD", "STANDARD_IA"}
"""The storage classes whose objects can be read at once, and survive the loss of a zone."""
KEY_OF_UPLOAD = "s3:x-amz-server-side-encryption-aws-kms-key-id"
STORAGE_CLASS = "s3:x-amz-storage-class"
TOUCHING = (
    "s3:DeleteObject",
    "s3:DeleteObjectVersion",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:PutObject",
)
AUDITOR_SESSIONS = r"arn:[a-z-]+:sts::\d{12}:assumed-role/[a-z0-9]+-[a-z0-9]+-auditor/"
LOCAL = "local"
OF_OBJECTS = {
    "eventCategory": {"equals": ["Data"]},
    "resources.type": {"equals": ["AWS::S3::Object"]},
}
STATE = "-state-"


def _denied_to_all(policy: list[Statement]) -> list[Statement]:
    return [statement for statement in policy if statement.effect == "Deny" and statement.for_everybody]


class TrailCoversBucket(PlanCheck):
    number = 1
    promise = "The trail logs every read and write of every data bucket's objects"
    mend = "Add the bucket to logged_buckets in audit.tf, whose ARNs the trail's event selector takes."
    types = ("aws_s3_bucket",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        bucket = resource.values["bucket"]
        if plan.holds_access_logs(bucket) or plan.holds_trail(bucket):
            return  # a log of its own deliveries would never end
        if STATE in bucket:
            return  # Terraform's state, not data, and there before any trail of ours
        trails = [
            trail for trail in plan.of("aws_cloudtrail") if trail.values.get("enable_logging") is not False
        ]
        if not any(self._logged(trail, bucket, plan) >= {"true", "false"} for trail in trails):
            yield f"no trail logs both reads and writes of the objects in {bucket}"

    @classmethod
    def _logged(cls, trail: Resource, bucket: str, plan: Plan) -> set[str]:
        """Return the values of readOnly under which the trail logs everybody's calls on the bucket's objects.

        The auditor function's own reads of evidence may be left out.
        """
        logged: set[str] = set()
        for selector in trail.values.get("advanced_event_selector") or ():
            fields = {field["field"]: cls._said(field) for field in selector["field_selector"]}
            arns = fields.pop("resources.ARN", {"starts_with": [f":::{bucket}/"]})
            kinds = fields.pop("readOnly", {"equals": ["true", "false"]})
            who = fields.pop("userIdentity.arn", {})
            if (
                fields == OF_OBJECTS
                and any(arn.endswith(f":::{bucket}/") for arn in arns.get("starts_with", ()))
                and arns.keys() == {"starts_with"}
                and kinds.keys() == {"equals"}
                and (not who or cls._leaves_out_the_auditor(who, kinds["equals"], bucket, plan))
            ):
                logged |= set(kinds["equals"])
        return logged

    @staticmethod
    def _said(field: dict[str, Any]) -> dict[str, list[str]]:
        return {name: values for name, values in field.items() if name != "field" and values}

    @staticmethod
    def _leaves_out_the_auditor(who: dict[str, list[str]], kinds: list[str], bucket: str, plan: Plan) -> bool:
        return (
            who.keys() == {"not_starts_with"}
            and all(re.fullmatch(AUDITOR_SESSIONS, arn) for arn in who["not_starts_with"])
            and kinds == ["true"]
            and plan.is_evidence(bucket)
        )


class TlsOnly(PlanCheck):
    number = 2
    promise = "Buckets, queues and topics refuse everything that does not come over TLS"
    mend = (
        "Deny everybody, under the one condition Bool aws:SecureTransport = false, as modules/bucket "
        "does: on s3:* of a bucket and its objects, sqs:* of a queue, sns:Publish of a topic."
    )
    types = ("aws_s3_bucket", "aws_sns_topic", "aws_sqs_queue")

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        if resource.type == "aws_s3_bucket":
            bucket = resource.values["bucket"]
            policy, action, ends = plan.bucket_policy(bucket), "s3:*", (f":::{bucket}", f":::{bucket}/*")
        else:
            action = {"aws_sns_topic": "sns:Publish", "aws_sqs_queue": "sqs:*"}[resource.type]
            policy, ends = resource.statements(), (f":{resource.values['name']}",)
        covered = {
            denied
            for statement in _denied_to_all(policy)
            if statement.conditions == (("Bool", "aws:SecureTransport", ("false",)),)
            and action in statement.actions
            for denied in statement.resources
        }
        for end in ends:
            if not any(arn.endswith(end) for arn in covered):
                yield f"{action} on …{end} is not denied without TLS"


class EvidenceIsLocked(PlanCheck):
    number = 3
    promise = "Evidence is under Object Lock, and no lifecycle rule reaches under it"
    mend = (
        "Give the bucket of receipts or trail logs object_lock with mode GOVERNANCE or COMPLIANCE and at "
        "least 1 day, and lifecycle_days no shorter, without expiration."
    )
    types = ("aws_s3_bucket",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        bucket = resource.values["bucket"]
        if not plan.is_evidence(bucket):
            return
        if not resource.values.get("object_lock_enabled"):
            yield f"{bucket} is made without Object Lock"
        locks = [
            retention
            for lock in plan.of_bucket("aws_s3_bucket_object_lock_configuration", bucket)
            for rule in lock.values["rule"]
            for retention in rule["default_retention"]
        ]
        days = max((lock.get("days") or 365 * (lock.get("years") or 0) for lock in locks), default=0)
        if days < 1 or not all(lock.get("mode") in {"GOVERNANCE", "COMPLIANCE"} for lock in locks):
            yield f"{bucket} has no default retention in mode GOVERNANCE or COMPLIANCE"
        for lifecycle in plan.of_bucket("aws_s3_bucket_lifecycle_configuration", bucket):
            for rule in lifecycle.values["rule"]:
                if rule.get("expiration"):
                    yield f"{bucket} hides evidence behind delete markers when {rule['id']} expires it"
                for superseded in rule.get("noncurrent_version_expiration") or ():
                    if superseded["noncurrent_days"] < days:
                        yield f"{bucket} drops superseded versions after {superseded['noncurrent_days']} days"


class EvidenceIsWrittenOnce(PlanCheck):
    number = 4
    promise = "Nobody, administrators included, deletes evidence, and one writer alone adds to it"
    mend = (
        "Make the bucket by modules/bucket with object_lock and, where a role writes, write_once: they deny "
        "deleting and bypassing, creating by anybody else, and overwriting."
    )
    types = ("aws_s3_bucket",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        bucket = resource.values["bucket"]
        if not plan.is_evidence(bucket):
            return
        everything = f":::{bucket}/*"
        denials = _denied_to_all(plan.bucket_policy(bucket))
        always = {
            action
            for denial in denials
            if not denial.conditions and any(arn.endswith(everything) for arn in denial.resources)
            for action in denial.actions
        }
        if missing := DELETING - always:
            yield f"not denied to everybody in {bucket}: {', '.join(sorted(missing))}"
        shortening = [
            denial
            for denial in denials
            if "s3:PutObjectRetention" in denial.actions
            and {key for _, key, _ in denial.conditions} == {"s3:object-lock-remaining-retention-days"}
        ]
        if not shortening:
            yield f"{bucket} lets an upload name a shorter retention than its default"
        writing = [denial for denial in denials if "s3:PutObject" in denial.actions]
        if not any(
            denial.values_of("aws:PrincipalArn", "ArnNotEquals", "ArnNotLike")
            or denial.values_of("aws:SourceArn", "StringNotEquals", "ArnNotEquals")
            for denial in writing
        ):
            yield f"{bucket} has no Deny on s3:PutObject for all but the writer of evidence"
        if not plan.holds_trail(bucket) and not any(
            denial.values_of("s3:if-none-match", "Null") == {"true"} for denial in writing
        ):
            yield f"{bucket} has no Deny on overwriting: s3:PutObject without If-None-Match"


class OwnKey(PlanCheck):
    number = 5
    promise = "Every bucket but that of access logs encrypts under a key of our own, and refuses another"
    mend = "Make the bucket by modules/bucket with key_arn; only the access-log bucket may be without one."
    types = ("aws_s3_bucket",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        bucket = resource.values["bucket"]
        if plan.holds_access_logs(bucket):
            return  # S3 delivers access logs to no bucket with a key of ours
        keys = {
            default.get("kms_master_key_id")
            for encryption in plan.of_bucket("aws_s3_bucket_server_side_encryption_configuration", bucket)
            for rule in encryption.values["rule"]
            for default in rule["apply_server_side_encryption_by_default"]
            if default["sse_algorithm"] == "aws:kms"
        }
        if not keys or None in keys:
            yield f"{bucket} does not encrypt under a key of ours by default"
        refusing = {
            key
            for denial in _denied_to_all(plan.bucket_policy(bucket))
            if "s3:PutObject" in denial.actions
            for key in denial.values_of(KEY_OF_UPLOAD, "StringNotEquals", "ArnNotEquals")
        }
        if refusing != keys:
            yield f"{bucket} does not refuse uploads under another key than its own"
        if not any(
            "s3:UpdateObjectEncryption" in denial.actions
            and all(
                (test, name) in {("StringNotEquals", KEY_OF_UPLOAD), ("ArnNotEquals", KEY_OF_UPLOAD)}
                and set(values) == keys
                for test, name, values in denial.conditions
            )
            for denial in _denied_to_all(plan.bucket_policy(bucket))
        ):
            yield f"{bucket} lets what is stored be put under another key than its own"


class AccessIsLogged(PlanCheck):
    number = 8
    promise = "Access to every bucket is logged, in a bucket of the kit that keeps what it gets"
    mend = "Give modules/bucket access_log_bucket; only the access-log bucket itself may be without one."
    types = ("aws_s3_bucket",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        bucket = resource.values["bucket"]
        if plan.holds_access_logs(bucket):
            return  # its own log would never end
        ours = {other.values["bucket"] for other in plan.of("aws_s3_bucket")}
        targets = {
            logging.values.get("target_bucket") for logging in plan.of_bucket("aws_s3_bucket_logging", bucket)
        }
        if not targets:
            yield f"access to {bucket} is not logged"
        for target in targets - ours:
            yield f"access to {bucket} is logged in {target}, which is not of this deployment"


class NothingIsEmptied(PlanCheck):
    number = 13
    promise = "Only an environment that holds nothing of worth may be emptied by terraform destroy"
    mend = "Leave force_destroy to the variable of that name, which is true in env/local.tfvars alone."
    types = ("aws_athena_workgroup", "aws_s3_bucket", "aws_s3_object")

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        environment = (resource.values.get("tags_all") or {}).get("environment")
        if resource.values.get("force_destroy") and environment != LOCAL:
            yield f"{resource.address} would be emptied in environment {environment}"


class PrincipalsAreNamed(PlanCheck):
    number = 16
    promise = "Every bucket says who may touch its objects, and denies everybody else"
    mend = "Give modules/bucket the principals that may read, write or delete: it denies all others."
    types = ("aws_s3_bucket",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        bucket = resource.values["bucket"]
        denials = [
            denial
            for denial in _denied_to_all(plan.bucket_policy(bucket))
            if any(arn.endswith(f":::{bucket}/*") for arn in denial.resources)
            and {key for _, key, _ in denial.conditions} <= {"aws:PrincipalArn", "aws:PrincipalIsAWSService"}
            and denial.values_of("aws:PrincipalIsAWSService") <= {"false"}
            and "*" not in denial.values_of("aws:PrincipalArn")
        ]
        for action in TOUCHING:
            if not any(fnmatchcase(action, name) for denial in denials for name in denial.actions):
                yield f"{action} in {bucket} is not denied to all but those it names"


class ReadableAtOnce(PlanCheck):
    number = 18
    promise = "Every bucket refuses what could not be read at once, and what is kept in one zone"
    mend = "Make the bucket by modules/bucket: it denies s3:PutObject with another storage class."
    types = ("aws_s3_bucket",)

    def weaknesses(self, resource: Resource, plan: Plan) -> Iterator[str]:
        bucket = resource.values["bucket"]
        for denial in _denied_to_all(plan.bucket_policy(bucket)):
            conditions = {(test, key): set(values) for test, key, values in denial.conditions}
            unless = conditions.pop(("StringNotEquals", STORAGE_CLASS), set())
            if (
                "s3:PutObject" in denial.actions
                and any(arn.endswith(f":::{bucket}/*") for arn in denial.resources)
                and unless
                and unless <= AT_ONCE
                and conditions in ({}, {("Null", STORAGE_CLASS): {"false"}})
            ):
                return
        yield f"{bucket} takes objects into storage classes from which they cannot be read at once"


checks = [
    TrailCoversBucket(),
    TlsOnly(),
    EvidenceIsLocked(),
    EvidenceIsWrittenOnce(),
    OwnKey(),
    AccessIsLogged(),
    NothingIsEmptied(),
    PrincipalsAreNamed(),
    ReadableAtOnce(),
]
