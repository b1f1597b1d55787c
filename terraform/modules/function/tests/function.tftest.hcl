mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id         = "123456789012"
  alarms             = { age_seconds = 1800, topic_arn = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts" }
  code               = { bucket = "custody-test-artifacts-123456789012", handler = "recorder.handler.handler", zip_path = "./tests/code.zip" }
  environment        = { PROVENANCE_BUCKET = "custody-test-provenance-123456789012" }
  event_bucket_arns  = ["arn:aws:s3:::custody-test-raw-data-123456789012"]
  key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890ab"
  log_retention_days = 30
  name               = "custody-test-recorder"
  operators          = ["arn:aws:iam::123456789012:role/custody-test-people-break-glass"]
  role_arn           = "arn:aws:iam::123456789012:role/custody-test-recorder"
  size               = { batch_size = 10, max_concurrency = 5, memory_mb = 512, timeout_seconds = 100 }
}

run "runs_its_zip_encrypts_loses_nothing_and_says_when_something_is_wrong" {
  assert {
    condition     = aws_s3_object.code.key == "functions/custody-test-recorder/${filesha256("./tests/code.zip")}.zip"
    error_message = "The zip lies under its own digest."
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
    error_message = "The function is told the digest of its code, and what the input says."
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
        aws_sqs_queue.this.kms_master_key_id,
        aws_sqs_queue.dead_letter.kms_master_key_id,
      ] : key == var.key_arn
    ])
    error_message = "Environment, log and queues are under the key."
  }
  assert {
    condition     = aws_sqs_queue.this.visibility_timeout_seconds == 600
    error_message = "A message stays invisible for six times the function's time."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.this.redrive_policy) == {
      deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:custody-test-recorder-dlq"
      maxReceiveCount     = 5
    }
    error_message = "After five receives a message goes to the dead-letter queue."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead_letter.redrive_allow_policy) == {
      redrivePermission = "byQueue"
      sourceQueueArns   = ["arn:aws:sqs:eu-central-1:123456789012:custody-test-recorder"]
    }
    error_message = "The dead-letter queue takes from this queue alone."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.this.function_response_types == toset(["ReportBatchItemFailures"])
      && aws_lambda_event_source_mapping.this.scaling_config[0].maximum_concurrency == 5
    )
    error_message = "Only what failed of a batch comes back, and no more calls run at once than asked for."
  }

  assert {
    condition     = aws_sqs_queue.this.message_retention_seconds == 1209600 && aws_sqs_queue.dead_letter.message_retention_seconds == 1209600
    error_message = "Messages are kept as long as SQS keeps any."
  }
  assert {
    condition = {
      for s in data.aws_iam_policy_document.queue.statement : s.sid => {
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
    }
    error_message = "S3 sends for the named buckets of the account."
  }

  assert {
    condition = {
      for s in data.aws_iam_policy_document.queue.statement :
      s.sid => { for c in s.condition : "${c.test} ${c.variable}" => tolist(c.values) } if s.effect == "Deny"
      } == {
      NobodyElseSends = {
        "ArnNotLike aws:PrincipalArn"    = tolist(["arn:aws:iam::123456789012:role/custody-test-people-break-glass"])
        "Bool aws:PrincipalIsAWSService" = tolist(["false"])
      }
    }
    error_message = "Besides, operators send, and nobody else."
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
    error_message = "The function and operators take from the queue, operators from the dead letters, and nobody else."
  }

  assert {
    condition = alltrue([
      for document in data.aws_iam_policy_document.refusals : [for s in document.statement : s.sid] == ["NobodyElseTakes", "NobodyThrowsAway", "NobodyWithoutTls"]
    ])
    error_message = "Nobody purges a queue, and nobody comes without TLS."
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.this)) == toset(["backlog", "dead-letters", "errors", "throttles"])
    error_message = "Four things are trouble."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([var.alarms.topic_arn])])
    error_message = "Every alarm goes to the topic."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["backlog"].threshold == 1800
    error_message = "The age that is trouble is the input's."
  }
}

run "runs_outside_any_network_if_not_told_otherwise" {
  command = plan

  assert {
    condition     = length(aws_lambda_function.this.vpc_config) == 0
    error_message = "Without vpc, there is none."
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

run "refuses_a_network_without_a_way_into_it" {
  command = plan
  variables {
    vpc = { security_group_ids = [], subnet_ids = ["subnet-0123456789abcdef0"] }
  }
  expect_failures = [var.vpc]
}

# A run costs seconds: each of the following refuses as much at once as it can, one wrong thing a variable.

run "refuses_what_is_not_there" {
  command = plan
  variables {
    account_id        = "x"
    alarms            = { age_seconds = 30, topic_arn = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts" }
    code              = { bucket = "custody-test-artifacts-123456789012", handler = "handler", zip_path = "./tests/code.zip" }
    environment       = { CODE_SHA256 = "0" }
    event_bucket_arns = ["arn:aws:s3:::*"]
    name              = "the recorder"
    operators         = ["arn:aws:iam::123456789012:root"]
    role_arn          = "custody-test-recorder"
    size              = { batch_size = 11, max_concurrency = 5, memory_mb = 512, timeout_seconds = 100 }
  }
  expect_failures = [
    var.account_id,
    var.alarms,
    var.code,
    var.environment,
    var.event_bucket_arns,
    var.name,
    var.operators,
    var.role_arn,
    var.size,
  ]
}

run "refuses_one_call_at_once_of_no_bucket" {
  command = plan
  variables {
    event_bucket_arns = []
    size              = { batch_size = 10, max_concurrency = 1, memory_mb = 512, timeout_seconds = 100 }
  }
  expect_failures = [var.event_bucket_arns, var.size]
}

run "refuses_more_time_than_lambda_has" {
  command = plan
  variables {
    size = { batch_size = 10, max_concurrency = 5, memory_mb = 512, timeout_seconds = 901 }
  }
  expect_failures = [var.size]
}
