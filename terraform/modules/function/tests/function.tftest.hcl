mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id         = "123456789012"
  code               = { bucket = "custody-test-artifacts-123456789012", handler = "recorder.handler.handler", zip_path = "./tests/code.zip" }
  environment        = { PROVENANCE_BUCKET = "custody-test-provenance-123456789012" }
  key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890ab"
  log_retention_days = 30
  name               = "custody-test-recorder"
  role_arn           = "arn:aws:iam::123456789012:role/custody-test-recorder"
  size               = { memory_mb = 512, timeout_seconds = 100 }
  topic_arn          = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts"

  queue = {
    age_seconds       = 1800
    batch_size        = 10
    event_bucket_arns = ["arn:aws:s3:::custody-test-raw-data-123456789012"]
    event_rule_arns   = ["arn:aws:events:eu-central-1:123456789012:rule/custody-test-adopted-archive"]
    max_concurrency   = 5
    operators         = ["arn:aws:iam::123456789012:role/custody-test-people-break-glass"]
  }
}

run "runs_its_zip_encrypts_loses_nothing_and_says_when_something_is_wrong" {
  assert {
    condition     = aws_s3_object.code.key == "functions/custody-test-recorder/${filesha256("./tests/code.zip")}.zip"
    error_message = "The key of the zip has its digest."
  }

  assert {
    condition = (
      aws_lambda_function.this.s3_key == aws_s3_object.code.key
      && aws_lambda_function.this.source_code_hash == filebase64sha256("./tests/code.zip")
    )
    error_message = "The function runs that zip."
  }

  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      CODE_SHA256       = filesha256("./tests/code.zip")
      PROVENANCE_BUCKET = "custody-test-provenance-123456789012"
    })
    error_message = "The function's environment has the digest of its code and the input."
  }

  assert {
    condition = (
      aws_lambda_function.this.runtime == "python3.13" && aws_lambda_function.this.architectures == tolist(["arm64"])
    )
    error_message = "python3.13 on arm64."
  }
  assert {
    condition = alltrue([
      for key in [
        aws_lambda_function.this.kms_key_arn,
        aws_cloudwatch_log_group.this.kms_key_id,
        aws_sqs_queue.this[0].kms_master_key_id,
        aws_sqs_queue.dead_letter[0].kms_master_key_id,
      ] : key == var.key_arn
    ])
    error_message = "Environment, log and queues are under the key."
  }
  assert {
    condition     = aws_sqs_queue.this[0].visibility_timeout_seconds == 600
    error_message = "A message stays invisible for six times the function's time."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.this[0].redrive_policy) == {
      deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:custody-test-recorder-dlq"
      maxReceiveCount     = 10
    }
    error_message = "After ten receives a message goes to the dead-letter queue."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead_letter[0].redrive_allow_policy) == {
      redrivePermission = "byQueue"
      sourceQueueArns   = ["arn:aws:sqs:eu-central-1:123456789012:custody-test-recorder"]
    }
    error_message = "Only this queue uses the dead-letter queue."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.this[0].function_response_types == toset(["ReportBatchItemFailures"])
      && aws_lambda_event_source_mapping.this[0].scaling_config[0].maximum_concurrency == 5
    )
    error_message = "Only failed messages of a batch are redelivered, and concurrency is limited."
  }

  assert {
    condition     = aws_sqs_queue.this[0].max_message_size == 262144 && aws_sqs_queue.dead_letter[0].max_message_size == 262144
    error_message = "How large a message may be is said, and not left to a default that moves; S3 needs 64 KiB."
  }

  assert {
    condition     = aws_sqs_queue.this[0].message_retention_seconds == 1209600 && aws_sqs_queue.dead_letter[0].message_retention_seconds == 1209600
    error_message = "Messages are kept as long as SQS keeps any."
  }
  assert {
    condition = {
      for s in data.aws_iam_policy_document.queue[0].statement : s.sid => {
        service = flatten([for p in s.principals : tolist(p.identifiers)])
        sources = { for c in s.condition : c.variable => c.values }
      } if s.effect != "Deny"
      } == {
      BucketsNotify = {
        service = ["s3.amazonaws.com"]
        sources = {
          "aws:SourceAccount" = tolist(["123456789012"])
          "aws:SourceArn"     = tolist(["arn:aws:s3:::custody-test-raw-data-123456789012"])
        }
      }
      RulesSend = {
        service = ["events.amazonaws.com"]
        sources = {
          "aws:SourceAccount" = tolist(["123456789012"])
          "aws:SourceArn"     = tolist(["arn:aws:events:eu-central-1:123456789012:rule/custody-test-adopted-archive"])
        }
      }
    }
    error_message = "S3 sends for the named buckets of the account, and EventBridge for the named rules."
  }

  assert {
    condition = {
      for s in data.aws_iam_policy_document.queue[0].statement :
      s.sid => { for c in s.condition : "${c.test} ${c.variable}" => tolist(c.values) } if s.effect == "Deny"
      } == {
      NobodyElseSends = {
        "ArnNotLike aws:PrincipalArn"    = tolist(["arn:aws:iam::123456789012:role/custody-test-people-break-glass"])
        "Bool aws:PrincipalIsAWSService" = tolist(["false"])
      }
    }
    error_message = "Apart from services, only operators send."
  }

  assert {
    condition = {
      for name, document in data.aws_iam_policy_document.refusals : name => flatten([
        for s in document.statement : [for c in s.condition : sort(c.values)] if s.sid == "NobodyElseTakes"
      ])
      } == {
      custody-test-recorder     = ["arn:aws:iam::123456789012:role/custody-test-people-break-glass", "arn:aws:iam::123456789012:role/custody-test-recorder"]
      custody-test-recorder-dlq = ["arn:aws:iam::123456789012:role/custody-test-people-break-glass"]
    }
    error_message = "Only the function and operators receive from the queue, and only operators from the dead-letter queue."
  }

  assert {
    condition = alltrue([
      for document in data.aws_iam_policy_document.refusals : [for s in document.statement : s.sid] == ["NobodyElseTakes", "NobodyThrowsAway", "NobodyWithoutTls"]
    ])
    error_message = "Nobody purges a queue, and requests without TLS are denied."
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.this)) == toset(["backlog", "dead-letters", "errors", "slow", "throttles"])
    error_message = "Five things are trouble."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([var.topic_arn])])
    error_message = "Every alarm goes to the topic."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["slow"].threshold == 90000
    error_message = "An invocation of 90 of 100 seconds raises an alarm."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["errors"].metric_name == "Errors"
    error_message = "A failed invocation raises an alarm at once."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["backlog"].threshold == 1800
    error_message = "The age that raises an alarm is the input's."
  }
}

run "is_called_by_its_rules_alone_and_tells_when_it_is_not" {
  variables {
    name  = "custody-test-gate"
    queue = null
    rules = {
      done     = { description = "What is done", event_pattern = "{\"source\":[\"aws.glue\"]}" }
      schedule = { description = "By the clock", every_minutes = 15, input = "{}" }
    }
  }

  assert {
    condition     = length(aws_sqs_queue.this) + length(aws_sqs_queue.dead_letter) + length(aws_lambda_event_source_mapping.this) == 0
    error_message = "Without queue, there is none."
  }

  assert {
    condition = { for name, rule in aws_cloudwatch_event_rule.this : rule.name => coalesce(rule.schedule_expression, rule.event_pattern) } == {
      custody-test-gate-done     = "{\"source\":[\"aws.glue\"]}"
      custody-test-gate-schedule = "rate(15 minutes)"
    }
    error_message = "Rules are named after the function, and go by the clock or by events."
  }

  assert {
    condition     = { for name, target in aws_cloudwatch_event_target.this : name => coalesce(target.input, "the event") } == { done = "the event", schedule = "{}" }
    error_message = "A function invoked for events gets the event."
  }

  assert {
    condition = {
      for name, permission in aws_lambda_permission.rule : name => [permission.principal, permission.source_account, permission.source_arn]
      } == {
      done     = ["events.amazonaws.com", "123456789012", "arn:aws:events:eu-central-1:123456789012:rule/custody-test-gate-done"]
      schedule = ["events.amazonaws.com", "123456789012", "arn:aws:events:eu-central-1:123456789012:rule/custody-test-gate-schedule"]
    }
    error_message = "EventBridge may invoke it only for its own rules."
  }

  assert {
    condition = (
      aws_lambda_function_event_invoke_config.this[0].maximum_retry_attempts == 2
      && aws_lambda_function_event_invoke_config.this[0].destination_config[0].on_failure[0].destination == var.topic_arn
    )
    error_message = "An event that fails three times is sent to the topic."
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.this)) == toset(["done-undelivered", "errors", "schedule-undelivered", "slow", "throttles"])
    error_message = "It is trouble if the function fails, and if a rule cannot call it."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["errors"].metric_name == "AsyncEventsDropped"
    error_message = "An invocation that succeeds on a retry raises no alarm."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.silent[0].period == 900 && aws_cloudwatch_metric_alarm.silent[0].evaluation_periods == 3
      && aws_cloudwatch_metric_alarm.silent[0].treat_missing_data == "breaching"
    )
    error_message = "Three missing invocations raise an alarm."
  }
}

run "is_not_missed_if_only_events_call_it" {
  command = plan
  variables {
    queue = null
    rules = { done = { description = "What is done", event_pattern = "{}" } }
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.silent) == 0
    error_message = "Without a schedule there is no such alarm."
  }

  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0
    error_message = "Without vpc, it runs outside any network."
  }
}

run "runs_in_a_network" {
  command = plan
  variables {
    vpc = { security_group_ids = ["sg-0123456789abcdef0"], subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"] }
  }

  assert {
    condition = (
      aws_lambda_function.this.vpc_config[0].security_group_ids == toset(["sg-0123456789abcdef0"])
      && aws_lambda_function.this.vpc_config[0].subnet_ids == toset(["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"])
    )
    error_message = "The function runs where the input says."
  }
}

# A run takes seconds: each of the following tests as many refusals as possible at once, one wrong value per variable.

run "refuses_what_is_not_there" {
  command = plan
  variables {
    account_id  = "x"
    code        = { bucket = "custody-test-artifacts-123456789012", handler = "handler", zip_path = "./tests/code.zip" }
    environment = { CODE_SHA256 = "0" }
    name        = "the recorder"
    queue       = { age_seconds = 30, batch_size = 10, event_bucket_arns = ["arn:aws:s3:::custody-test-raw-data-123456789012"], max_concurrency = 5 }
    role_arn    = "custody-test-recorder"
    size        = { memory_mb = 512, timeout_seconds = 901 }
  }
  expect_failures = [
    var.account_id,
    var.code,
    var.environment,
    var.name,
    var.queue,
    var.role_arn,
    var.size,
  ]
}

run "refuses_large_batches_and_what_is_no_json" {
  command = plan
  variables {
    queue = { age_seconds = 60, batch_size = 11, event_bucket_arns = ["arn:aws:s3:::custody-test-raw-data-123456789012"], max_concurrency = 5 }
    rules = { done = { description = "What is done", event_pattern = "source: aws.glue" } }
  }
  expect_failures = [var.queue, var.rules]
}

run "takes_large_batches_within_a_window" {
  command = plan
  variables {
    queue = { age_seconds = 60, batch_size = 1000, batch_window_seconds = 60, event_bucket_arns = ["arn:aws:s3:::custody-test-raw-data-123456789012"], max_concurrency = 5 }
  }
  assert {
    condition     = aws_lambda_event_source_mapping.this[0].maximum_batching_window_in_seconds == 60
    error_message = "Messages are collected for a minute."
  }
}

run "refuses_a_window_that_lambda_does_not_have" {
  command = plan
  variables {
    queue = { age_seconds = 60, batch_size = 10, batch_window_seconds = 301, event_bucket_arns = ["arn:aws:s3:::custody-test-raw-data-123456789012"], max_concurrency = 5 }
  }
  expect_failures = [var.queue]
}

run "refuses_every_bucket_and_a_rule_of_two_kinds" {
  command = plan
  variables {
    queue = { age_seconds = 60, batch_size = 10, event_bucket_arns = ["arn:aws:s3:::*"], max_concurrency = 5 }
    rules = { done = { description = "What is done", event_pattern = "{}", every_minutes = 5 } }
  }
  expect_failures = [var.queue, var.rules]
}

run "refuses_no_bucket_and_to_be_called_every_other_day" {
  command = plan
  variables {
    queue = { age_seconds = 60, batch_size = 10, event_bucket_arns = [], max_concurrency = 5 }
    rules = { schedule = { description = "By the clock", every_minutes = 2880 } }
  }
  expect_failures = [var.queue, var.rules]
}

run "refuses_one_call_at_once_and_names_that_are_none" {
  command = plan
  variables {
    rules = { Clock = { description = "By the clock", every_minutes = 15 } }
    queue = { age_seconds = 60, batch_size = 10, event_bucket_arns = ["arn:aws:s3:::custody-test-raw-data-123456789012"], max_concurrency = 1 }
  }
  expect_failures = [var.queue, var.rules]
}

run "refuses_accounts_as_operators_and_a_network_without_a_way_into_it" {
  command = plan
  variables {
    vpc   = { security_group_ids = [], subnet_ids = ["subnet-0123456789abcdef0"] }
    queue = { age_seconds = 60, batch_size = 10, event_bucket_arns = ["arn:aws:s3:::custody-test-raw-data-123456789012"], max_concurrency = 5, operators = ["arn:aws:iam::123456789012:root"] }
  }
  expect_failures = [var.queue, var.vpc]
}
