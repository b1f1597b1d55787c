data "aws_region" "current" {}

locals {
  # Folders by the hour (UTC) in which an object's oldest record arrived.
  # https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
  hour = "!{timestamp:yyyy/MM/dd/HH}/"
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/kinesisfirehose/${var.name}"
  kms_key_id        = var.key_arn
  retention_in_days = var.log_retention_days
}

# Firehose writes only into an existing log stream.
resource "aws_cloudwatch_log_stream" "this" {
  name           = "DestinationDelivery"
  log_group_name = aws_cloudwatch_log_group.this.name
}

resource "aws_kinesis_firehose_delivery_stream" "this" {
  name        = var.name
  destination = "extended_s3"

  # Encryption of buffered records. The key policy must let the role that applies this give Firehose a grant.
  # https://docs.aws.amazon.com/firehose/latest/dev/encryption.html
  server_side_encryption {
    enabled  = true
    key_type = "CUSTOMER_MANAGED_CMK"
    key_arn  = var.key_arn
  }

  extended_s3_configuration {
    bucket_arn          = var.bucket_arn
    role_arn            = var.role_arn
    prefix              = "${var.prefix}${local.hour}"
    error_output_prefix = "${var.error_prefix}!{firehose:error-output-type}/${local.hour}"
    buffering_size      = var.buffering.mib
    buffering_interval  = var.buffering.seconds

    # No kms_key_arn: the bucket's default encryption applies. Lines are not compressed, so that
    # anybody can read them in place; Parquet is compressed internally.
    compression_format = "UNCOMPRESSED"

    cloudwatch_logging_options {
      enabled         = true
      log_group_name  = aws_cloudwatch_log_group.this.name
      log_stream_name = aws_cloudwatch_log_stream.this.name
    }

    # One record per line, whether or not the sender added a line break.
    dynamic "processing_configuration" {
      for_each = var.parquet == null ? ["lines"] : []

      content {
        enabled = true

        processors {
          type = "AppendDelimiterToRecord"
        }
      }
    }

    # https://docs.aws.amazon.com/firehose/latest/dev/record-format-conversion.html
    dynamic "data_format_conversion_configuration" {
      for_each = var.parquet == null ? [] : [var.parquet]

      content {
        input_format_configuration {
          deserializer {
            open_x_json_ser_de {}
          }
        }

        output_format_configuration {
          serializer {
            parquet_ser_de {}
          }
        }

        schema_configuration {
          database_name = data_format_conversion_configuration.value.database
          table_name    = data_format_conversion_configuration.value.table
          region        = data.aws_region.current.name
          role_arn      = var.role_arn
        }
      }
    }
  }
}
