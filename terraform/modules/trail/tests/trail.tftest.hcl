mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id = "123456789012"
  bucket     = "custody-test-cloudtrail-log-123456789012"
  data_bucket_arns = [
    "arn:aws:s3:::custody-test-raw-data-123456789012",
    "arn:aws:s3:::custody-test-provenance-123456789012",
  ]
  function_arns = ["arn:aws:lambda:eu-central-1:123456789012:function:custody-test-gate"]
  logs          = { key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890ab", retention_days = 90, role_arn = "arn:aws:iam::123456789012:role/custody-test-trail-logs" }
  name          = "custody-test"
  topic_arn     = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts"

  guarded = {
    buckets = ["custody-test-provenance-123456789012"]
    deployers = [
      "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_custody-deploy_*",
      "arn:aws:iam::123456789012:role/ci/custody-test-apply",
      "arn:aws:iam::123456789012:user/operator",
    ]
    emergency_role_arn = "arn:aws:iam::123456789012:role/custody-test-people-break-glass"
    key_arns           = ["arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890ab"]
    queues             = ["custody-test-recorder"]
  }
}

run "logs_everywhere_and_proves_its_files" {
  assert {
    condition     = aws_cloudtrail.this[0].is_multi_region_trail && aws_cloudtrail.this[0].include_global_service_events
    error_message = "A single-region trail misses events of other regions."
  }

  assert {
    condition     = aws_cloudtrail.this[0].enable_log_file_validation
    error_message = "Without digests, a deleted log file leaves no trace."
  }

  assert {
    condition     = aws_cloudtrail.this[0].kms_key_id == var.logs.key_arn && aws_cloudwatch_log_group.this[0].kms_key_id == var.logs.key_arn
    error_message = "Files and log group are encrypted with the trail's key."
  }

  assert {
    condition = (
      aws_cloudtrail.this[0].cloud_watch_logs_group_arn == "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/cloudtrail/custody-test:*"
      && aws_cloudtrail.this[0].cloud_watch_logs_role_arn == var.logs.role_arn
      && aws_cloudwatch_log_group.this[0].name == "/aws/cloudtrail/custody-test"
      && aws_cloudwatch_log_group.this[0].retention_in_days == 90
    )
    error_message = "Events go to the log group /aws/cloudtrail/<name>, kept for logs.retention_days."
  }

  assert {
    condition     = output.arn == "arn:aws:cloudtrail:eu-central-1:123456789012:trail/custody-test" && output.log_group == "/aws/cloudtrail/custody-test"
    error_message = "The outputs are built from the trail's name."
  }

  assert {
    condition = (
      [for selector in aws_cloudtrail.this[0].advanced_event_selector : selector.name]
      == ["Objects in the data buckets", "Invocations of functions", "Management writes"]
      && length(aws_cloudtrail.this[0].event_selector) == 0
    )
    error_message = "By default objects, invocations and management writes are logged: without these, no alarm is raised for a stopped trail."
  }

  assert {
    condition = {
      for field in aws_cloudtrail.this[0].advanced_event_selector[0].field_selector :
      field.field => sort(concat(coalesce(field.equals, []), coalesce(field.starts_with, [])))
      } == {
      "eventCategory"  = tolist(["Data"])
      "resources.type" = tolist(["AWS::S3::Object"])
      "resources.ARN" = tolist([
        "arn:aws:s3:::custody-test-provenance-123456789012/",
        "arn:aws:s3:::custody-test-raw-data-123456789012/",
      ])
    }
    error_message = "Every read and write of an object in these buckets is logged, whatever the operation."
  }

  assert {
    condition = {
      for field in aws_cloudtrail.this[0].advanced_event_selector[1].field_selector :
      field.field => concat(coalesce(field.equals, []), coalesce(field.starts_with, []))
      } == {
      "eventCategory"  = tolist(["Data"])
      "resources.type" = tolist(["AWS::Lambda::Function"])
      "resources.ARN"  = tolist(["arn:aws:lambda:eu-central-1:123456789012:function:custody-test-gate"])
    }
    error_message = "Invocations of a function are in the trail, with any version or alias."
  }

  assert {
    condition = {
      for field in aws_cloudtrail.this[0].advanced_event_selector[2].field_selector : field.field => tolist(field.equals)
    } == { eventCategory = tolist(["Management"]), readOnly = tolist(["false"]) }
    error_message = "Management writes are a selector of their own; reads of that kind are not logged."
  }

  assert {
    condition = (
      jsondecode(aws_cloudwatch_event_rule.this["key-changed"].event_pattern).source == ["aws.kms"]
      && toset(jsondecode(aws_cloudwatch_event_rule.this["key-changed"].event_pattern).detail.resources.ARN) == toset(var.guarded.key_arns)
      && length(setsubtract(
        ["DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion"],
        jsondecode(aws_cloudwatch_event_rule.this["key-changed"].event_pattern).detail.eventName,
      )) == 0
    )
    error_message = "Disabling a key of the deployment, scheduling its deletion or changing its policy must raise an alarm."
  }

  assert {
    condition = alltrue([
      for name in ["PutEventConfiguration", "StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"] :
      contains(jsondecode(aws_cloudwatch_event_rule.this["trail-changed"].event_pattern).detail.eventName, name)
    ])
    error_message = "To stop, delete or change a trail must alarm."
  }

  assert {
    condition = (
      jsondecode(aws_cloudwatch_event_rule.this["evidence-bucket-changed"].event_pattern).detail.requestParameters.bucketName == [var.bucket, "custody-test-provenance-123456789012"]
      && contains(jsondecode(aws_cloudwatch_event_rule.this["evidence-bucket-changed"].event_pattern).detail.eventName, "PutBucketPolicy")
    )
    error_message = "To open a bucket of evidence must alarm."
  }

  assert {
    condition = (
      jsondecode(aws_cloudwatch_event_rule.this["data-bucket-changed"].event_pattern).detail.requestParameters.bucketName == ["custody-test-raw-data-123456789012"]
      && contains(jsondecode(aws_cloudwatch_event_rule.this["data-bucket-changed"].event_pattern).detail.eventName, "PutBucketNotification")
    )
    error_message = "A data bucket that no longer notifies of new objects must alarm: nothing is recorded any more."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this["recording-changed"].event_pattern).detail["$or"] == [
      { eventName = [{ prefix = "DeleteEventSourceMapping" }, { prefix = "UpdateEventSourceMapping" }] },
      {
        eventName         = [{ prefix = "DeleteFunction" }, { prefix = "PutFunctionConcurrency" }]
        requestParameters = { functionName = ["custody-test-gate", "arn:aws:lambda:eu-central-1:123456789012:function:custody-test-gate"] }
      },
    ]
    error_message = "A function that is stopped must alarm, by whichever of its names it is called."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.this["queue-changed"].event_pattern).detail.requestParameters.queueUrl == [{ suffix = "/123456789012/custody-test-recorder" }]
    error_message = "A queue that is emptied must alarm, whichever endpoint its URL names."
  }

  assert {
    condition = toset(flatten(jsondecode(aws_cloudwatch_event_rule.this["alerts-changed"].event_pattern).detail["$or"][*].eventName)) == toset([
      "DeleteAlarms", "DeleteDashboards", "DeleteRule", "DeleteTopic", "DisableAlarmActions", "DisableRule", "PutAlarmMuteRule",
      "RemoveTargets", "SetAlarmState", "SetSubscriptionAttributes", "SetTopicAttributes", "Unsubscribe",
    ])
    error_message = "To silence the alarms must alarm."
  }

  assert {
    condition = toset(flatten(jsondecode(aws_cloudwatch_event_rule.this["alerts-overwritten"].event_pattern).detail["$or"][*].eventName)) == toset([
      "PutCompositeAlarm", "PutDashboard", "PutMetricAlarm", "PutRule", "PutTargets",
    ])
    error_message = "To overwrite an alarm, a rule or the dashboard must alarm."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.this["alerts-overwritten"].event_pattern).detail.userIdentity.arn == [{
      anything-but = {
        wildcard = [
          "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_custody-deploy_*",
          "arn:aws:sts::123456789012:assumed-role/custody-test-apply/*",
          "arn:aws:iam::123456789012:user/operator",
        ]
      }
    }]
    error_message = "A deployment puts alarms and rules: only what others put must alarm."
  }

  assert {
    condition     = alltrue([for rule in aws_cloudwatch_event_rule.this : length(rule.event_pattern) <= 2048])
    error_message = "EventBridge allows 2048 characters per pattern."
  }

  assert {
    condition = (
      jsondecode(aws_cloudwatch_event_rule.this["emergency-role-assumed"].event_pattern).detail.requestParameters.roleArn == [{ wildcard = var.guarded.emergency_role_arn }]
      && aws_cloudwatch_event_rule.this["emergency-role-assumed"].state == "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
    )
    error_message = "To assume the emergency role must alarm, though AssumeRole only reads."
  }

  assert {
    condition = (
      aws_cloudwatch_log_metric_filter.emergency_role[0].pattern == "{ $.userIdentity.sessionContext.sessionIssuer.arn = \"arn:aws:iam::123456789012:role/custody-test-people-break-glass\" }"
      && aws_cloudwatch_log_metric_filter.emergency_role[0].log_group_name == "/aws/cloudtrail/custody-test"
      && aws_cloudwatch_metric_alarm.emergency_role[0].metric_name == aws_cloudwatch_log_metric_filter.emergency_role[0].metric_transformation[0].name
      && aws_cloudwatch_metric_alarm.emergency_role[0].alarm_actions == toset([var.topic_arn])
    )
    error_message = "Whatever the emergency role does must alarm."
  }

  assert {
    condition = alltrue([
      for key, rule in aws_cloudwatch_event_rule.this :
      rule.name == "custody-test-${key}" && jsondecode(rule.event_pattern).detail-type == ["AWS API Call via CloudTrail"]
      && aws_cloudwatch_event_target.this[key].arn == var.topic_arn
      && strcontains(aws_cloudwatch_event_target.this[key].input_transformer[0].input_template, "\"what\": \"${rule.description}\"")
    ])
    error_message = "Every rule is named after the trail (the topic allows those to publish) and publishes to the topic."
  }
}

run "leaves_management_writes_to_another_trail" {
  command = plan

  variables {
    management_events = false
  }

  assert {
    condition = [for selector in aws_cloudtrail.this[0].advanced_event_selector : selector.name] == [
      "Objects in the data buckets", "Invocations of functions",
    ]
    error_message = "Events that another trail logs are not billed twice."
  }
}

run "leaves_out_reads_of_evidence_by_a_role_and_nothing_else" {
  command = plan

  variables {
    data_prefix_arns = ["arn:aws:s3:::archive/letters/"]
    unlogged_readers = ["arn:aws:iam::123456789012:role/custody-test-auditor"]
  }

  assert {
    condition = {
      for selector in aws_cloudtrail.this[0].advanced_event_selector : selector.name => {
        for field in selector.field_selector : field.field => sort(concat(
          coalesce(field.equals, []), coalesce(field.starts_with, []), [for value in coalesce(field.not_starts_with, []) : "not ${value}"],
        ))
      } if selector.name != "Invocations of functions" && selector.name != "Management writes"
      } == {
      "Reads of data" = {
        "eventCategory"  = tolist(["Data"])
        "readOnly"       = tolist(["true"])
        "resources.type" = tolist(["AWS::S3::Object"])
        "resources.ARN"  = tolist(["arn:aws:s3:::archive/letters/", "arn:aws:s3:::custody-test-raw-data-123456789012/"])
      }
      "Reads of evidence" = {
        "eventCategory"    = tolist(["Data"])
        "readOnly"         = tolist(["true"])
        "resources.type"   = tolist(["AWS::S3::Object"])
        "resources.ARN"    = tolist(["arn:aws:s3:::custody-test-provenance-123456789012/"])
        "userIdentity.arn" = tolist(["not arn:aws:sts::123456789012:assumed-role/custody-test-auditor/"])
      }
      "Writes in the data buckets" = {
        "eventCategory"  = tolist(["Data"])
        "readOnly"       = tolist(["false"])
        "resources.type" = tolist(["AWS::S3::Object"])
        "resources.ARN" = tolist([
          "arn:aws:s3:::archive/letters/",
          "arn:aws:s3:::custody-test-provenance-123456789012/",
          "arn:aws:s3:::custody-test-raw-data-123456789012/",
        ])
      }
    }
    error_message = "The role's reads of data, its writes, and everything that others do are still logged."
  }

  assert {
    condition     = length([for selector in aws_cloudtrail.this[0].advanced_event_selector : selector if contains(["Invocations of functions", "Management writes"], selector.name)]) == 2
    error_message = "Invocations and management writes are logged as ever."
  }
}

run "divides_many_keys_among_rules" {
  command = plan

  variables {
    guarded = {
      emergency_role_arn = "arn:aws:iam::123456789012:role/custody-test-people-break-glass"
      key_arns           = [for i in range(40) : "arn:aws:kms:ap-southeast-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890${i + 10}"]
    }
  }

  assert {
    condition = (
      toset([for name in keys(aws_cloudwatch_event_rule.this) : name if startswith(name, "key-")]) == toset(["key-changed", "key-changed-2", "key-changed-3"])
      && toset(flatten([for name, rule in aws_cloudwatch_event_rule.this : jsondecode(rule.event_pattern).detail.resources.ARN if startswith(name, "key-")])) == toset(var.guarded.key_arns)
      && alltrue([for rule in aws_cloudwatch_event_rule.this : length(rule.event_pattern) <= 2048])
    )
    error_message = "EventBridge allows 2048 characters per pattern, and every key is in one."
  }
}

run "refuses_to_leave_out_the_emergency_role" {
  command = plan

  variables {
    unlogged_readers = ["arn:aws:iam::123456789012:role/custody-test-people-break-glass"]
  }

  expect_failures = [var.unlogged_readers]
}

run "refuses_to_leave_out_by_a_pattern_and_a_version_of_a_function" {
  command = plan

  variables {
    function_arns    = ["arn:aws:lambda:eu-central-1:123456789012:function:custody-test-gate:1"]
    unlogged_readers = ["arn:aws:iam::123456789012:role/custody-test-*"]
  }

  expect_failures = [var.function_arns, var.unlogged_readers]
}

run "refuses_to_log_nothing" {
  command = plan

  variables {
    data_bucket_arns = []
  }

  expect_failures = [var.data_bucket_arns]
}

run "refuses_to_log_itself" {
  command = plan

  variables {
    data_bucket_arns = [
      "arn:aws:s3:::custody-test-raw-data-123456789012",
      "arn:aws:s3:::custody-test-cloudtrail-log-123456789012",
    ]
    data_prefix_arns = ["arn:aws:s3:::custody-test-cloudtrail-log-123456789012/AWSLogs/"]
  }

  expect_failures = [var.data_bucket_arns, var.data_prefix_arns]
}

run "refuses_buckets_by_pattern" {
  command = plan

  variables {
    data_bucket_arns = ["arn:aws:s3:::custody-*"]
    data_prefix_arns = ["arn:aws:s3:::archive"]

    guarded = {
      buckets            = ["arn:aws:s3:::custody-test-provenance-123456789012"]
      emergency_role_arn = "arn:aws:iam::123456789012:role/custody-test-people-break-glass"
    }
  }

  expect_failures = [var.data_bucket_arns, var.data_prefix_arns, var.guarded]
}

run "refuses_queues_by_url" {
  command = plan

  variables {
    guarded = {
      emergency_role_arn = "arn:aws:iam::123456789012:role/custody-test-people-break-glass"
      queues             = ["https://sqs.eu-central-1.amazonaws.com/123456789012/custody-test-recorder"]
    }
  }

  expect_failures = [var.guarded]
}

run "has_no_rule_for_what_is_not_there" {
  command = plan

  variables {
    data_bucket_arns = ["arn:aws:s3:::custody-test-provenance-123456789012"]
    function_arns    = []

    guarded = {
      buckets            = ["custody-test-provenance-123456789012"]
      emergency_role_arn = "arn:aws:iam::123456789012:role/custody-test-people-break-glass"
    }
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_event_rule.this)) == toset(["alerts-changed", "alerts-overwritten", "emergency-role-assumed", "evidence-bucket-changed", "trail-changed"])
    error_message = "EventBridge refuses a pattern with an empty list."
  }
}

run "refuses_what_is_not_a_name" {
  command = plan

  variables {
    account_id = "12345"
    bucket     = "arn:aws:s3:::custody-test-cloudtrail-log-123456789012"
    guarded    = { deployers = ["arn:aws:iam::123456789012:role/*"], emergency_role_arn = "arn:aws:iam::123456789012:role/*" }
    logs       = { key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890ab", retention_days = 42, role_arn = "custody-test-trail-logs" }
    name       = "Custody Test"
    topic_arn  = "custody-test-alerts"
  }

  expect_failures = [
    var.account_id,
    var.bucket,
    var.guarded,
    var.logs,
    var.name,
    var.topic_arn,
  ]
}

run "reads_a_trail_that_is_there" {
  command = plan

  variables {
    existing_arn      = "arn:aws:cloudtrail:us-east-1:210987654321:trail/of-the-organization"
    logs              = null
    management_events = false
  }

  assert {
    condition = (
      length(aws_cloudtrail.this) == 0
      && length(aws_cloudwatch_log_group.this) == 0
      && length(aws_cloudwatch_log_metric_filter.emergency_role) == 0
      && length(output.alarms) == 0
      && output.log_group == null
      && output.arn == var.existing_arn
    )
    error_message = "Neither a trail nor a log group is made, nor the alarm that reads it."
  }

  assert {
    condition     = contains(keys(aws_cloudwatch_event_rule.this), "trail-changed") && contains(keys(aws_cloudwatch_event_rule.this), "evidence-bucket-changed")
    error_message = "What EventBridge raises is raised."
  }

  assert {
    condition = jsondecode(output.event_selectors)[0] == {
      Name = "Objects in the data buckets"
      FieldSelectors = [
        { Field = "eventCategory", Equals = ["Data"] },
        { Field = "resources.type", Equals = ["AWS::S3::Object"] },
        { Field = "resources.ARN", StartsWith = [for arn in sort(var.data_bucket_arns) : "${arn}/"] },
      ]
    }
    error_message = "What the trail must log is told in the form of CloudTrail's API."
  }
}

run "refuses_a_trail_twice" {
  command = plan

  variables {
    existing_arn = "arn:aws:cloudtrail:us-east-1:210987654321:trail/of-the-organization"
  }

  expect_failures = [var.logs]
}
