"""Started so, the local AWS refuses what the policies of the moment do not allow, and nothing else."""

from __future__ import annotations

import io
import itertools
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from scripts.local_aws import LocalAws

ROOT = {"AWS": "arn:aws:iam::123456789012:root"}
NUMBERS = itertools.count(1)


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with LocalAws(tmp_path_factory.mktemp("enforced"), enforced=True) as running:
        yield running


@pytest.fixture(scope="module")
def bucket(aws: LocalAws) -> str:
    client(aws, "s3").create_bucket(Bucket="enforced")
    return "enforced"


def client(aws: LocalAws, service: str, environ: dict[str, str] | None = None) -> Any:
    """A client of the operator, or with the keys of an environment."""
    environ = environ or aws.environ()
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    keys = {name.lower(): environ[name] for name in names if name in environ}
    where = {"endpoint_url": aws.endpoint, "region_name": "us-east-1"}
    return boto3.client(service, **where, **keys)  # type: ignore[call-overload]


def user(aws: LocalAws, *statements: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """A new user who may do this, and his keys."""
    name = f"user-{next(NUMBERS)}"
    environ = aws.person_environ(name)
    if statements:
        document = policy(*statements)
        client(aws, "iam").put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    return name, environ


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    """Code and message of a call that is refused."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_who_has_no_policy_may_do_nothing(aws: LocalAws) -> None:
    name, keys = user(aws)
    code, message = refused(client(aws, "sqs", keys).create_queue, QueueName="q")
    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:iam::123456789012:user/{name} is not authorized to perform: sqs:CreateQueue on"
        " resource: arn:aws:sqs:us-east-1:123456789012:q because no identity-based policy allows the"
        " sqs:CreateQueue action"
    )
    assert client(aws, "sqs").create_queue(QueueName="q")["QueueUrl"]
    assert client(aws, "sts", keys).get_caller_identity()["Arn"].endswith(name)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "code"),
    [
        ("ec2", "create_vpc", {"CidrBlock": "10.0.0.0/16"}, "UnauthorizedOperation"),
        ("iam", "list_users", {}, "AccessDenied"),
        ("lambda", "list_functions", {}, "AccessDeniedException"),
        ("s3", "list_buckets", {}, "AccessDenied"),
        ("sns", "create_topic", {"Name": "t"}, "AuthorizationError"),
    ],
)
def test_each_protocol_has_its_code(
    aws: LocalAws, service: str, operation: str, parameters: dict[str, Any], code: str
) -> None:
    _, keys = user(aws)
    assert refused(getattr(client(aws, service, keys), operation), **parameters)[0] == code


def test_identity_policies_count_as_they_are_now(aws: LocalAws, bucket: str) -> None:
    name, keys = user(aws, allow("s3:PutObject", f"arn:aws:s3:::{bucket}/in/*"))
    s3 = client(aws, "s3", keys)
    s3.put_object(Bucket=bucket, Key="in/a", Body=b"")
    assert "s3:PutObject" in refused(s3.put_object, Bucket=bucket, Key="out/a", Body=b"")[1]
    assert "s3:GetObject" in refused(s3.get_object, Bucket=bucket, Key="in/a")[1]
    client(aws, "iam").delete_user_policy(UserName=name, PolicyName="own")
    assert "s3:PutObject" in refused(s3.put_object, Bucket=bucket, Key="in/a", Body=b"")[1]


def test_a_resource_policy_denies_whoever_may_do_everything(aws: LocalAws) -> None:
    s3 = client(aws, "s3")
    s3.create_bucket(Bucket="write-once")
    place = "arn:aws:s3:::write-once/*"
    unconditional = {"Null": {"s3:if-none-match": "true"}}
    document = policy(deny("s3:PutObject", place, Principal="*", Condition=unconditional))
    s3.put_bucket_policy(Bucket="write-once", Policy=document)
    assert (
        "with an explicit deny in a resource-based policy"
        in (refused(s3.put_object, Bucket="write-once", Key="a", Body=b"")[1])
    )
    s3.put_object(Bucket="write-once", Key="a", Body=b"", IfNoneMatch="*")


def test_an_object_may_be_called_as_a_pattern_is_written(aws: LocalAws, bucket: str) -> None:
    _, keys = user(aws, allow("s3:PutObject", f"arn:aws:s3:::{bucket}/sure/*"))
    s3 = client(aws, "s3", keys)
    s3.put_object(Bucket=bucket, Key="sure/100% sure? *.csv", Body=b"")
    refused(s3.put_object, Bucket=bucket, Key="100% sure? *.csv", Body=b"")
    assert not [what for what in aws.admin("enforcement")["undecided"] if "s3:" in what]


def test_another_account_may_make_a_bucket_of_its_own_and_write_to_none_of_ours(
    aws: LocalAws, bucket: str
) -> None:
    s3 = client(aws, "s3", aws.other_environ())
    s3.create_bucket(Bucket="of-the-other")
    s3.put_object(Bucket="of-the-other", Key="a", Body=b"")
    assert "s3:PutObject" in refused(s3.put_object, Bucket=bucket, Key="a", Body=b"")[1]


def test_of_several_objects_each_is_decided(aws: LocalAws, bucket: str) -> None:
    _, keys = user(aws, allow("s3:DeleteObject", f"arn:aws:s3:::{bucket}/mine/*"))
    asked = {"Objects": [{"Key": "mine/a"}, {"Key": "theirs/a"}]}
    answer = client(aws, "s3", keys).delete_objects(Bucket=bucket, Delete=asked)
    assert [entry["Key"] for entry in answer["Deleted"]] == ["mine/a"]
    assert [entry["Key"] for entry in answer["Errors"]] == ["theirs/a"]


def test_who_may_not_list_does_not_learn_that_an_object_is_not_there(aws: LocalAws, bucket: str) -> None:
    name, keys = user(aws, allow("s3:GetObject"))
    s3 = client(aws, "s3", keys)
    assert refused(s3.get_object, Bucket=bucket, Key="none")[0] == "AccessDenied"
    assert refused(s3.head_object, Bucket=bucket, Key="none")[0] == "403"
    assert [name, bucket, 2] in aws.admin("enforcement")["hidden"]
    document = policy(allow("s3:GetObject"), allow("s3:ListBucket"))
    client(aws, "iam").put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    assert refused(s3.get_object, Bucket=bucket, Key="none")[0] == "NoSuchKey"
    assert refused(s3.head_object, Bucket=bucket, Key="none")[0] == "404"


def test_a_boundary_limits_a_role_and_its_trust_says_who_has_it(aws: LocalAws) -> None:
    iam = client(aws, "iam")
    name, keys = user(aws)
    trust = policy(
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": f"arn:aws:iam::123456789012:user/{name}"},
            "Condition": {
                "Bool": {"aws:MultiFactorAuthPresent": "true"},
                "StringEquals": {"sts:RoleSessionName": "${aws:username}"},
            },
        }
    )
    boundary = iam.create_policy(PolicyName="limit", PolicyDocument=policy(allow("sqs:*")))["Policy"]["Arn"]
    role = iam.create_role(RoleName="bound", AssumeRolePolicyDocument=trust, PermissionsBoundary=boundary)
    iam.put_role_policy(RoleName="bound", PolicyName="own", PolicyDocument=policy(allow("*")))
    sts, asked = client(aws, "sts", keys), {"RoleArn": role["Role"]["Arn"]}
    device = {"SerialNumber": "arn:aws:iam::123456789012:mfa/d", "TokenCode": "000000"}
    assert refused(sts.assume_role, **asked, RoleSessionName=name)[0] == "AccessDenied"
    assert refused(sts.assume_role, **asked, **device, RoleSessionName="another")[0] == "AccessDenied"
    issued = sts.assume_role(**asked, **device, RoleSessionName=name)["Credentials"]
    session = {
        "AWS_ACCESS_KEY_ID": issued["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": issued["SecretAccessKey"],
        "AWS_SESSION_TOKEN": issued["SessionToken"],
    }
    client(aws, "sqs", session).create_queue(QueueName="within")
    code, message = refused(client(aws, "sns", session).create_topic, Name="beyond")
    assert code == "AuthorizationError"
    assert message.endswith("because no permissions boundary allows the sns:CreateTopic action")


def test_a_condition_may_ask_for_the_boundary_of_a_role_that_is_there(aws: LocalAws) -> None:
    iam = client(aws, "iam")
    limit = iam.create_policy(PolicyName="limit-of-roles", PolicyDocument=policy(allow("s3:*")))["Policy"][
        "Arn"
    ]
    for name, boundary in (("limited", {"PermissionsBoundary": limit}), ("unlimited", {})):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(), **boundary)
    condition = {"StringEquals": {"iam:PermissionsBoundary": limit}}
    _, keys = user(aws, allow("iam:PutRolePolicy", Condition=condition))
    put = client(aws, "iam", keys).put_role_policy

    put(RoleName="limited", PolicyName="own", PolicyDocument=policy(allow("s3:*")))

    code, message = refused(put, RoleName="unlimited", PolicyName="own", PolicyDocument=policy(allow("s3:*")))
    assert (code, "iam:PutRolePolicy" in message) == ("AccessDenied", True)


def test_a_condition_may_ask_of_which_function_a_mapping_is(aws: LocalAws) -> None:
    functions, queue = client(aws, "lambda"), client(aws, "sqs").create_queue(QueueName="polled")["QueueUrl"]
    source = "arn:aws:sqs:us-east-1:123456789012:polled"
    trust = policy(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    )
    role = client(aws, "iam").create_role(RoleName="runs", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("f.py", "def handler(event, context): ...")
    for name in ("mine", "theirs"):
        functions.create_function(
            FunctionName=name, Role=role, Code={"ZipFile": code.getvalue()}, Runtime="python3.13",
            Handler="f.handler",
        )  # fmt: skip
    mine = "arn:aws:lambda:us-east-1:123456789012:function:mine"
    condition = {"ArnLike": {"lambda:FunctionArn": mine}}
    _, keys = user(aws, allow("lambda:*EventSourceMapping", Condition=condition))
    limited = client(aws, "lambda", keys)

    made = limited.create_event_source_mapping(FunctionName="mine", EventSourceArn=source)["UUID"]
    assert limited.get_event_source_mapping(UUID=made)["FunctionArn"] == mine
    assert queue.endswith("polled")

    code_of = refused(limited.create_event_source_mapping, FunctionName="theirs", EventSourceArn=source)[0]
    assert code_of == "AccessDeniedException"
    other = functions.create_event_source_mapping(FunctionName="theirs", EventSourceArn=source)["UUID"]
    assert refused(limited.get_event_source_mapping, UUID=other)[0] == "AccessDeniedException"


def test_what_a_role_changes_can_be_refused_once(aws: LocalAws, bucket: str) -> None:
    iam, root = client(aws, "iam"), allow("sts:AssumeRole", Principal=ROOT)
    del root["Resource"]
    role = iam.create_role(RoleName="breaks-off", AssumeRolePolicyDocument=policy(root))["Role"]["Arn"]
    iam.put_role_policy(RoleName="breaks-off", PolicyName="own", PolicyDocument=policy(allow("*")))
    session = {**aws.environ(), **aws.admin("enforcement/session", role=role, session="s")}
    s3, logs, sns = (client(aws, service, session) for service in ("s3", "logs", "sns"))
    assert aws.admin("enforcement/interrupt", role=role) == {"refused": []}

    for call, parameters in (
        (s3.put_object, {"Bucket": bucket, "Key": "once"}),
        (s3.put_object, {"Bucket": bucket, "Key": "twice"}),
        (logs.create_log_group, {"logGroupName": "once"}),
        (sns.create_topic, {"Name": "topic"}),
        (sns.create_topic, {"Name": "topic", "Attributes": {"DisplayName": "told apart by what it says"}}),
    ):
        _, message = refused(call, **parameters)
        assert message.endswith("because it is the first time")
        if call != sns.create_topic:
            call(**parameters)
    s3.list_objects_v2(Bucket=bucket)
    client(aws, "s3").put_object(Bucket=bucket, Key="of another")

    told = aws.admin("enforcement/interrupt", role="")["refused"]
    assert [action for action, _ in told] == [
        *["s3:PutObject"] * 2, "logs:CreateLogGroup", *["sns:CreateTopic"] * 2
    ]  # fmt: skip
    s3.put_object(Bucket=bucket, Key="not interrupted any more")


def test_what_is_encrypted_needs_the_key_too(aws: LocalAws) -> None:
    s3, kms = client(aws, "s3"), client(aws, "kms")
    administers = allow("kms:*", Principal={"AWS": "arn:aws:iam::123456789012:user/operator"})
    key = kms.create_key(Policy=policy(administers))["KeyMetadata"]
    s3.create_bucket(Bucket="encrypted")
    rule = {
        "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["Arn"]},
        "BucketKeyEnabled": True,
    }
    s3.put_bucket_encryption(Bucket="encrypted", ServerSideEncryptionConfiguration={"Rules": [rule]})
    s3.put_object(Bucket="encrypted", Key="a", Body=b"a")
    _, keys = user(aws, allow("s3:*"), allow("kms:*"))
    reader = client(aws, "s3", keys)
    assert "kms:Decrypt" in refused(reader.get_object, Bucket="encrypted", Key="a")[1]
    assert "kms:GenerateDataKey" in refused(reader.put_object, Bucket="encrypted", Key="b", Body=b"")[1]
    through = {
        "StringEquals": {
            "kms:ViaService": "s3.us-east-1.amazonaws.com",
            "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::encrypted",
        }
    }
    document = policy(administers, allow("kms:Decrypt", Principal=ROOT, Condition=through))
    kms.put_key_policy(KeyId=key["KeyId"], Policy=document, PolicyName="default")
    assert reader.get_object(Bucket="encrypted", Key="a")["Body"].read() == b"a"
    assert "kms:GenerateDataKey" in refused(reader.put_object, Bucket="encrypted", Key="b", Body=b"")[1]
    assert refused(client(aws, "kms", keys).decrypt, CiphertextBlob=b"c", KeyId=key["Arn"])[0] == (
        "AccessDeniedException"
    )


def test_a_queue_that_is_encrypted_needs_its_key_too(aws: LocalAws) -> None:
    administers = allow("kms:*", Principal={"AWS": "arn:aws:iam::123456789012:user/operator"})
    key = client(aws, "kms").create_key(Policy=policy(administers))["KeyMetadata"]["Arn"]
    sqs = client(aws, "sqs")
    url = sqs.create_queue(QueueName="secretive", Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="a")
    _, keys = user(aws, allow("sqs:*"), allow("kms:*"))
    assert "kms:Decrypt" in refused(client(aws, "sqs", keys).receive_message, QueueUrl=url)[1]


def test_what_cannot_be_decided_is_told_by_name(aws: LocalAws) -> None:
    before = aws.admin("enforcement")["undecided"]
    _, keys = user(aws, allow("sqs:*", Condition={"Bool": {"aws:IsItRaining": "false"}}))
    client(aws, "sqs", keys).create_queue(QueueName="dry")
    after = aws.admin("enforcement")["undecided"]
    assert after.keys() - before.keys() == {"sqs:CreateQueue: a policy asks for aws:isitraining"}


def test_the_report_counts_calls_and_decisions(aws: LocalAws, bucket: str) -> None:
    name, keys = user(aws, allow("s3:PutObject", f"arn:aws:s3:::{bucket}/counted/*"))
    s3 = client(aws, "s3", keys)
    s3.put_object(Bucket=bucket, Key="counted/first", Body=b"")
    before = aws.admin("enforcement")["decisions"]
    for number in range(5):
        s3.put_object(Bucket=bucket, Key=f"counted/{number}", Body=b"")
    refused(s3.put_object, Bucket=bucket, Key="a", Body=b"")
    report = aws.admin("enforcement")
    assert [name, "s3:PutObject", 6] in report["allowed"]
    assert [name, "s3:PutObject", f"arn:aws:s3:::{bucket}/a", 1] in report["refused"]
    assert report["decisions"] == before + 1
