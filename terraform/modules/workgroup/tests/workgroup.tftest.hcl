mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id       = "123456789012"
  alarms           = { failed_per_hour = 10, slow_minutes = 10, topic_arn = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts" }
  database         = "custody_test"
  description      = "Questions of a test"
  key_arn          = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890ab"
  name             = "custody-test"
  result_bucket    = "custody-test-athena-results-123456789012"
  scan_limit_bytes = 107374182400

  queries = {
    who_wrote = { description = "Who wrote this?", sql = "SELECT 1" }
  }
}

run "leaves_clients_no_choice" {
  assert {
    condition     = aws_athena_workgroup.this.configuration[0].enforce_workgroup_configuration
    error_message = "The workgroup's settings must override client-side settings."
  }

  assert {
    condition = (
      aws_athena_workgroup.this.configuration[0].result_configuration[0].encryption_configuration[0].encryption_option == "SSE_KMS"
      && aws_athena_workgroup.this.configuration[0].result_configuration[0].encryption_configuration[0].kms_key_arn == var.key_arn
    )
    error_message = "Results are encrypted with our key."
  }

  assert {
    condition = (
      aws_athena_workgroup.this.configuration[0].result_configuration[0].output_location == "s3://custody-test-athena-results-123456789012/results/"
      && aws_athena_workgroup.this.configuration[0].result_configuration[0].expected_bucket_owner == "123456789012"
    )
    error_message = "Results go to our bucket and to nobody else's of that name."
  }

  assert {
    condition     = aws_athena_workgroup.this.configuration[0].bytes_scanned_cutoff_per_query == 107374182400
    error_message = "A query that scans too much must end."
  }

  assert {
    condition     = aws_athena_workgroup.this.configuration[0].engine_version[0].selected_engine_version == "Athena engine version 3"
    error_message = "The SQL is written for engine version 3."
  }

  assert {
    condition     = !aws_athena_workgroup.this.force_destroy
    error_message = "Saved queries and history go with the workgroup only if that was asked for."
  }

  assert {
    condition = (
      aws_athena_named_query.this["who_wrote"].query == "SELECT 1"
      && aws_athena_named_query.this["who_wrote"].database == "custody_test"
      && aws_athena_named_query.this["who_wrote"].description == "Who wrote this?"
    )
    error_message = "A saved query is saved under its name, with its question, for the database."
  }

  assert {
    condition     = output.name == "custody-test"
    error_message = "The workgroup has the given name."
  }
}

run "tells_of_queries_that_fail_or_take_long" {
  command = plan

  assert {
    condition     = { for short, name in output.alarms : short => name } == { queries-failed = "custody-test-queries-failed", queries-slow = "custody-test-queries-slow" }
    error_message = "The alarms are named by the workgroup."
  }

  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.metric_name == "TotalExecutionTime" && alarm.dimensions.WorkGroup == "custody-test" && alarm.alarm_actions == toset([var.alarms.topic_arn])
    ])
    error_message = "The alarms are about this workgroup's queries, and tell the topic."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["queries-slow"].threshold == 600000
    error_message = "TotalExecutionTime is in milliseconds."
  }
}

run "refuses_a_query_without_a_question" {
  command = plan

  variables {
    queries = { who_wrote = { description = "", sql = "SELECT 1" } }
  }

  expect_failures = [var.queries]
}

run "refuses_a_query_that_athena_would_not_take" {
  command = plan

  variables {
    queries = { who_wrote = { description = "Who wrote this?", sql = join("", [for i in range(1024) : format("%0257d", i)]) } }
  }

  expect_failures = [var.queries]
}

run "refuses_a_query_with_a_name_for_a_file" {
  command = plan

  variables {
    queries = { "who-wrote.sql" = { description = "Who wrote this?", sql = "SELECT 1" } }
  }

  expect_failures = [var.queries]
}

run "refuses_what_is_not_a_name" {
  command = plan

  variables {
    account_id       = "12345"
    alarms           = { failed_per_hour = 0.5, slow_minutes = 30, topic_arn = "" }
    database         = "custody-test"
    description      = ""
    name             = "Custody Test"
    result_bucket    = "s3://custody-test-athena-results-123456789012"
    scan_limit_bytes = 1000
  }

  expect_failures = [
    var.account_id,
    var.alarms,
    var.database,
    var.description,
    var.name,
    var.result_bucket,
    var.scan_limit_bytes,
  ]
}
