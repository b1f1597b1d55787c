data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  log_group_name = "/aws/cloudtrail/${var.name}"
  log_group_arn = join(":", [
    "arn", data.aws_partition.current.partition, "logs", data.aws_region.current.name, var.account_id, "log-group",
    local.log_group_name,
  ])
}

resource "aws_cloudwatch_log_group" "this" {
  name              = local.log_group_name
  kms_key_id        = var.key_arn
  retention_in_days = var.log_retention_days
}

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html
resource "aws_cloudtrail" "this" {
  # checkov:skip=CKV2_AWS_10:It is, by an ARN made of names, in which the scanner sees no connection
  # checkov:skip=CKV_AWS_252:This topic would hear of every log file; that the trail is stopped or changed reaches the alerts topic
  name                          = var.name
  s3_bucket_name                = var.bucket
  kms_key_id                    = var.key_arn
  cloud_watch_logs_group_arn    = "${local.log_group_arn}:*"
  cloud_watch_logs_role_arn     = var.logs_role_arn
  enable_log_file_validation    = true
  include_global_service_events = true
  is_multi_region_trail         = true

  # Reads and writes alike. The bucket of the trail itself is not among them: each delivery would be an event to deliver.
  advanced_event_selector {
    name = "Objects in the data buckets"

    field_selector {
      field  = "eventCategory"
      equals = ["Data"]
    }

    field_selector {
      field  = "resources.type"
      equals = ["AWS::S3::Object"]
    }

    field_selector {
      field       = "resources.ARN"
      starts_with = [for arn in sort(var.data_bucket_arns) : "${arn}/"]
    }
  }

  dynamic "advanced_event_selector" {
    for_each = var.management_events ? ["Management writes"] : []

    content {
      name = advanced_event_selector.value

      field_selector {
        field  = "eventCategory"
        equals = ["Management"]
      }

      field_selector {
        field  = "readOnly"
        equals = ["false"]
      }
    }
  }

  depends_on = [aws_cloudwatch_log_group.this]
}
