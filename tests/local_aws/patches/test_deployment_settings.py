"""Settings that Terraform's provider reads back: lost ones would appear as a change in every plan."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.account import ACCOUNT, Account


def a_function_keeps_its_settings(account: Account) -> None:
    functions = account.client("lambda")
    role = account.client("iam").create_role(RoleName=account.name("role"), AssumeRolePolicyDocument="{}")
    _, dead_letters = account.queue()
    logging = {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "WARN",
        "LogGroup": "/custody/recorder",
    }
    name = account.name("function")
    functions.create_function(
        FunctionName=name,
        Role=role["Role"]["Arn"],
        Runtime="python3.13",
        Handler="code.handler",
        Code={"ZipFile": account.zip({"code.py": "def handler(event, context): ..."})},
        DeadLetterConfig={"TargetArn": dead_letters},
        LoggingConfig=logging,
    )
    told = functions.get_function_configuration(FunctionName=name)
    assert told["DeadLetterConfig"] == {"TargetArn": dead_letters}
    assert told["LoggingConfig"] == logging
    functions.update_function_configuration(
        FunctionName=name,
        TracingConfig={"Mode": "Active"},
        EphemeralStorage={"Size": 1024},
        KMSKeyArn=f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k",
        DeadLetterConfig={"TargetArn": ""},
    )
    told = functions.get_function_configuration(FunctionName=name)
    assert told["TracingConfig"] == {"Mode": "Active"}
    assert told["EphemeralStorage"] == {"Size": 1024}
    assert told["KMSKeyArn"].endswith("key/k")
    assert "DeadLetterConfig" not in told
    assert told["LoggingConfig"] == logging


def trails_are_found_by_name(account: Account) -> None:
    trails = account.client("cloudtrail")
    names = [account.name("trail"), account.name("trail")]
    arns = [trails.create_trail(Name=name, S3BucketName=account.bucket())["TrailARN"] for name in names]
    for asked in (names[0], arns[0]):
        [found] = trails.describe_trails(trailNameList=[asked])["trailList"]
        assert found["TrailARN"] == arns[0]
    for asked in (names[0], arns[1]):
        trails.delete_trail(Name=asked)
    assert trails.describe_trails(trailNameList=names)["trailList"] == []


def a_saved_query_is_deleted(account: Account) -> None:
    athena = account.client("athena")
    query = athena.create_named_query(Name="q", Database="d", QueryString="SELECT 1")["NamedQueryId"]
    athena.delete_named_query(NamedQueryId=query)
    with pytest.raises(ClientError, match="InvalidRequestException"):
        athena.get_named_query(NamedQueryId=query)


def mappings_are_found_by_any_name_of_the_function(account: Account) -> None:
    functions = account.client("lambda")
    name = account.function("def handler(event, context): ...")
    _, queue = account.queue()
    arn = functions.get_function_configuration(FunctionName=name)["FunctionArn"]
    created = functions.create_event_source_mapping(EventSourceArn=queue, FunctionName=name)["UUID"]
    for form in (name, arn, f"{ACCOUNT}:function:{name}", f"{arn}:$LATEST"):
        found = functions.list_event_source_mappings(FunctionName=form)["EventSourceMappings"]
        assert [mapping["UUID"] for mapping in found] == [created]
    listed = functions.list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]
    assert [mapping["UUID"] for mapping in listed] == [created]
    assert functions.list_event_source_mappings(FunctionName="other")["EventSourceMappings"] == []


def a_ruleset_is_kept(account: Account) -> None:
    glue = account.client("glue")
    name, target = account.name("ruleset"), {"DatabaseName": "d", "TableName": "t"}
    said = {"Name": name, "Description": "why", "Ruleset": 'Rules = [ IsComplete "a" ]'}
    glue.create_data_quality_ruleset(**said, TargetTable=target, Tags={"project": "custody"})
    with pytest.raises(glue.exceptions.AlreadyExistsException):
        glue.create_data_quality_ruleset(**said)
    told = glue.get_data_quality_ruleset(Name=name)
    assert told.items() >= {**said, "TargetTable": target}.items()
    arn = f"arn:aws:glue:us-east-1:{ACCOUNT}:dataQualityRuleset/{name}"
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"project": "custody"}
    glue.update_data_quality_ruleset(Name=name, Ruleset='Rules = [ IsUnique "a" ]')
    changed = glue.get_data_quality_ruleset(Name=name)
    assert changed["Ruleset"] == 'Rules = [ IsUnique "a" ]'
    assert (changed["Description"], changed["TargetTable"]) == ("why", target)
    assert changed["LastModifiedOn"] >= told["LastModifiedOn"] == told["CreatedOn"]
    glue.delete_data_quality_ruleset(Name=name)
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {}
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_data_quality_ruleset(Name=name)


def a_job_can_be_changed(account: Account) -> None:
    glue = account.client("glue")
    name = account.name("job")
    command = {"Name": "glueetl", "ScriptLocation": "s3://bucket/old.py"}
    glue.create_job(Name=name, Role="role", Command=command, Timeout=5, Tags={"kept": "yes"})
    created = glue.get_job(JobName=name)["Job"]["CreatedOn"]
    command = {"Name": "glueetl", "ScriptLocation": "s3://bucket/new.py"}
    glue.update_job(JobName=name, JobUpdate={"Role": "role", "Command": command, "GlueVersion": "5.1"})
    job = glue.get_job(JobName=name)["Job"]
    assert job["Command"]["ScriptLocation"] == "s3://bucket/new.py"
    assert (job["GlueVersion"], job["CreatedOn"]) == ("5.1", created)
    assert "Timeout" not in job
    arn = f"arn:aws:glue:us-east-1:{ACCOUNT}:job/{name}"
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"kept": "yes"}
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        glue.update_job(JobName="absent", JobUpdate={"Role": "role", "Command": command})


def test_a_glue_connection_says_its_type_and_can_be_changed(aws: Account) -> None:
    glue, name = aws.client("glue"), "network-of-jobs"
    place = {"SubnetId": "subnet-1", "SecurityGroupIdList": ["sg-1"], "AvailabilityZone": "us-east-1a"}
    wanted: Any = {"Name": name, "ConnectionType": "NETWORK", "ConnectionProperties": {}}
    glue.create_connection(ConnectionInput={**wanted, "PhysicalConnectionRequirements": place})
    before = glue.get_connection(Name=name)["Connection"]
    assert before["ConnectionType"] == "NETWORK"
    moved = place | {"SubnetId": "subnet-2"}
    glue.update_connection(Name=name, ConnectionInput={**wanted, "PhysicalConnectionRequirements": moved})
    after = glue.get_connection(Name=name)["Connection"]
    assert after["PhysicalConnectionRequirements"] == moved
    assert after["CreationTime"] == before["CreationTime"]
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        glue.update_connection(Name="absent", ConnectionInput={**wanted, "Name": "absent"})
    glue.delete_connection(ConnectionName=name)
    with pytest.raises(ClientError, match="EntityNotFoundException"):
        glue.delete_connection(ConnectionName=name)


def how_a_function_is_invoked_can_be_changed(account: Account) -> None:
    functions = account.client("lambda")
    name = account.function("def handler(event, context): ...")
    functions.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60
    )
    functions.update_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    told = functions.get_function_event_invoke_config(FunctionName=name)
    assert (told["MaximumRetryAttempts"], told["MaximumEventAgeInSeconds"]) == (0, 60)
    functions.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=1)
    told = functions.get_function_event_invoke_config(FunctionName=name)
    assert told["MaximumRetryAttempts"] == 1
    assert "MaximumEventAgeInSeconds" not in told


def a_rule_keeps_its_description(account: Account) -> None:
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="jobs", Description="Jobs", VpcId=vpc)["GroupId"]
    s3 = ec2.describe_managed_prefix_lists()["PrefixLists"][0]["PrefixListId"]
    tls = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    for allow, rule in (
        (
            ec2.authorize_security_group_ingress,
            {"UserIdGroupPairs": [{"GroupId": group, "Description": "a"}]},
        ),
        (ec2.authorize_security_group_egress, {"PrefixListIds": [{"PrefixListId": s3, "Description": "b"}]}),
        (ec2.authorize_security_group_egress, {"IpRanges": [{"CidrIp": "10.20.0.0/24", "Description": "c"}]}),
        (ec2.authorize_security_group_ingress, {"PrefixListIds": [{"PrefixListId": s3}]}),
    ):
        allow(GroupId=group, IpPermissions=[tls | rule])

    def told() -> dict[str | None, str]:
        of_group = {"Name": "group-id", "Values": [group]}
        rules = ec2.describe_security_group_rules(Filters=[of_group])["SecurityGroupRules"]
        return {rule.get("Description"): rule["SecurityGroupRuleId"] for rule in rules if "FromPort" in rule}

    assert told().keys() >= {"a", "b", "c", None}
    changed = {**tls, "ReferencedGroupId": group, "Description": "d"}
    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[{"SecurityGroupRuleId": told()["a"], "SecurityGroupRule": changed}],
    )
    assert {"b", "c", "d"} <= told().keys()
    assert "a" not in told()


def a_composite_alarm_is_kept(account: Account) -> None:
    cloudwatch = account.client("cloudwatch")
    child, composite = account.name("alarm"), account.name("composite")
    cloudwatch.put_metric_alarm(
        AlarmName=child,
        Namespace="N",
        MetricName="M",
        Statistic="Sum",
        ComparisonOperator="GreaterThanThreshold",
        Threshold=0,
        Period=60,
        EvaluationPeriods=1,
    )
    said = {"AlarmName": composite, "AlarmRule": f'ALARM("{child}")', "AlarmDescription": "why"}
    cloudwatch.put_composite_alarm(**said, Tags=[{"Key": "project", "Value": "custody"}])
    names = {"AlarmNames": [child, composite]}
    told = cloudwatch.describe_alarms(**names, AlarmTypes=["CompositeAlarm"])
    assert told["MetricAlarms"] == []
    [alarm] = told["CompositeAlarms"]
    assert alarm.items() >= {**said, "StateValue": "INSUFFICIENT_DATA", "ActionsEnabled": True}.items()
    tags = cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]
    assert tags == [{"Key": "project", "Value": "custody"}]
    told = cloudwatch.describe_alarms(**names)
    assert ([one["AlarmName"] for one in told["MetricAlarms"]], told["CompositeAlarms"]) == ([child], [])
    for rule, words in (("ALARM(absent)", r"\[absent\]"), ("LOUD(absent)", "Error in AlarmRule")):
        with pytest.raises(ClientError, match=words):
            cloudwatch.put_composite_alarm(AlarmName=composite, AlarmRule=rule)
    cloudwatch.delete_alarms(AlarmNames=[composite])
    assert cloudwatch.describe_alarms(**names, AlarmTypes=["CompositeAlarm"])["CompositeAlarms"] == []


BEHAVIOURS = [
    a_composite_alarm_is_kept,
    a_job_can_be_changed,
    how_a_function_is_invoked_can_be_changed,
    a_function_keeps_its_settings,
    a_rule_keeps_its_description,
    a_ruleset_is_kept,
    a_saved_query_is_deleted,
    mappings_are_found_by_any_name_of_the_function,
    trails_are_found_by_name,
]


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_the_local_aws(behaviour: Any, aws: Account) -> None:
    behaviour(aws)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_moto_alone_does_not(behaviour: Any, moto: Account) -> None:
    with pytest.raises((AssertionError, ClientError, KeyError, ValueError)):
        behaviour(moto)
