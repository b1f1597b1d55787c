mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  alarms             = { freshness_seconds = 1800, topic_arn = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts" }
  bucket_arn         = "arn:aws:s3:::custody-test-raw-data-123456789012"
  buffering          = { mib = 5, seconds = 300 }
  error_prefix       = "errors/stream/events/"
  key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890ab"
  log_retention_days = 365
  name               = "custody-test-events"
  prefix             = "incoming/stream/events/"
  role_arn           = "arn:aws:iam::123456789012:role/custody-test-ingest"
}

run "delivers_lines_into_its_folder" {
  command = plan

  assert {
    condition = (
      aws_kinesis_firehose_delivery_stream.this.server_side_encryption[0].enabled
      && aws_kinesis_firehose_delivery_stream.this.server_side_encryption[0].key_type == "CUSTOMER_MANAGED_CMK"
      && aws_kinesis_firehose_delivery_stream.this.server_side_encryption[0].key_arn == var.key_arn
    )
    error_message = "Buffered records are encrypted with the key."
  }

  assert {
    condition = (
      aws_kinesis_firehose_delivery_stream.this.extended_s3_configuration[0].prefix == "incoming/stream/events/!{timestamp:yyyy/MM/dd/HH}/"
      && aws_kinesis_firehose_delivery_stream.this.extended_s3_configuration[0].error_output_prefix == "errors/stream/events/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/"
    )
    error_message = "Objects go into a folder per hour; records that cannot be converted go elsewhere."
  }

  assert {
    condition = (
      aws_kinesis_firehose_delivery_stream.this.extended_s3_configuration[0].compression_format == "UNCOMPRESSED"
      && one(aws_kinesis_firehose_delivery_stream.this.extended_s3_configuration[0].processing_configuration[0].processors[*].type) == "AppendDelimiterToRecord"
      && length(aws_kinesis_firehose_delivery_stream.this.extended_s3_configuration[0].data_format_conversion_configuration) == 0
    )
    error_message = "A record is a line, as it was sent: the jobs read nothing else."
  }

  assert {
    condition = (
      aws_kinesis_firehose_delivery_stream.this.extended_s3_configuration[0].cloudwatch_logging_options[0].enabled
      && aws_kinesis_firehose_delivery_stream.this.extended_s3_configuration[0].cloudwatch_logging_options[0].log_group_name == "/aws/kinesisfirehose/custody-test-events"
      && aws_cloudwatch_log_group.this.kms_key_id == var.key_arn
      && aws_cloudwatch_log_group.this.retention_in_days == 365
    )
    error_message = "Failures are logged in a log group of its own, encrypted and with retention."
  }

  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.this : name => "${alarm.metric_name} ${alarm.comparison_operator} ${alarm.threshold}"
      } == {
      failures   = "DeliveryToS3.Success LessThanThreshold 1"
      key-denied = "KMSKeyAccessDenied GreaterThanThreshold 0"
      stale      = "DeliveryToS3.DataFreshness GreaterThanThreshold 1800"
      throttles  = "ThrottledRecords GreaterThanThreshold 0"
    }
    error_message = "There are alarms for delayed, failed and throttled records."
  }

  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.this : alarm.alarm_actions == toset([var.alarms.topic_arn]) && alarm.dimensions == tomap({ DeliveryStreamName = "custody-test-events" })])
    error_message = "Every alarm is about this stream, and is heard."
  }
}

run "converts_to_parquet_if_told" {
  command = plan

  variables {
    buffering = { mib = 64, seconds = 300 }
    parquet   = { database = "custody_test", table = "events" }
  }

  assert {
    condition = (
      one(aws_kinesis_firehose_delivery_stream.this.extended_s3_configuration[0].data_format_conversion_configuration[0].schema_configuration[*].table_name) == "events"
      && length(aws_kinesis_firehose_delivery_stream.this.extended_s3_configuration[0].processing_configuration) == 0
    )
    error_message = "Parquet has the table's columns, and no lines."
  }
}

run "refuses_small_parquet" {
  command = plan

  variables {
    buffering = { mib = 63, seconds = 900 }
    parquet   = { database = "custody_test", table = "events" }
  }

  expect_failures = [var.buffering]
}

run "refuses_to_wait_for_longer_than_firehose_does" {
  command = plan

  variables {
    buffering = { mib = 5, seconds = 901 }
  }

  expect_failures = [var.buffering]
}

run "refuses_errors_among_the_data_and_an_alarm_at_every_record" {
  command = plan

  variables {
    alarms       = { freshness_seconds = 300, topic_arn = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts" }
    error_prefix = "incoming/stream/events/errors/"
  }

  expect_failures = [var.alarms, var.error_prefix]
}

run "refuses_what_is_not_there" {
  command = plan

  variables {
    bucket_arn = "custody-test-raw-data-123456789012"
    name       = "Custody Events"
    parquet    = { database = "custody-test", table = "events" }
    prefix     = "/incoming/!{timestamp:yyyy}"
  }

  expect_failures = [var.bucket_arn, var.name, var.parquet, var.prefix]
}
