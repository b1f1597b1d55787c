data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  log_group_name = "/aws/cloudtrail/${var.name}"
  log_group_arn = join(":", [
    "arn", data.aws_partition.current.partition, "logs", data.aws_region.current.name, var.account_id, "log-group",
    local.log_group_name,
  ])

  # Reads and writes of all principals, unless some readers of evidence are left out (apart). For each selector name: the prefixes
  # of the ARNs of the objects that it covers, the only value of readOnly that it selects, if any, and the prefixes of the session ARNs that it
  # leaves out.
  # https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AdvancedFieldSelector.html
  apart         = length(var.unlogged_readers) > 0
  evidence_arns = [for arn in sort(var.data_bucket_arns) : "${arn}/" if contains(var.guarded.buckets, element(split(":::", arn), 1))]
  object_arns   = concat([for arn in sort(var.data_bucket_arns) : "${arn}/"], sort(var.data_prefix_arns))
  unlogged_sessions = [
    for arn in sort(var.unlogged_readers) : "${replace(replace(arn, ":iam:", ":sts:"), ":role/", ":assumed-role/")}/"
  ]
  object_selectors = {
    for name, selector in {
      "Objects in the data buckets" = { apart = false, arns = local.object_arns, read_only = [], left_out = [] }
      "Reads of data"               = { apart = true, arns = [for arn in local.object_arns : arn if !contains(local.evidence_arns, arn)], read_only = ["true"], left_out = [] }
      "Reads of evidence"           = { apart = true, arns = local.evidence_arns, read_only = ["true"], left_out = local.unlogged_sessions }
      "Writes in the data buckets"  = { apart = true, arns = local.object_arns, read_only = ["false"], left_out = [] }
    } : name => selector if selector.apart == local.apart && length(selector.arns) > 0
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = local.log_group_name
  kms_key_id        = var.key_arn
  retention_in_days = var.logs.retention_days
}

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html
resource "aws_cloudtrail" "this" {
  # checkov:skip=CKV2_AWS_10:It is integrated, by an ARN built from names, which the scanner cannot resolve
  # checkov:skip=CKV_AWS_252:This topic would get a message for every log file; stopping or changing the trail alarms through the alerts topic
  name                          = var.name
  s3_bucket_name                = var.bucket
  kms_key_id                    = var.key_arn
  cloud_watch_logs_group_arn    = "${local.log_group_arn}:*"
  cloud_watch_logs_role_arn     = var.logs.role_arn
  enable_log_file_validation    = true
  include_global_service_events = true
  is_multi_region_trail         = true

  # The trail's own bucket is not among them: each delivery would cause another event to deliver.
  dynamic "advanced_event_selector" {
    for_each = local.object_selectors

    content {
      name = advanced_event_selector.key

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
        starts_with = advanced_event_selector.value.arns
      }

      dynamic "field_selector" {
        for_each = advanced_event_selector.value.read_only

        content {
          field  = "readOnly"
          equals = [field_selector.value]
        }
      }

      dynamic "field_selector" {
        for_each = length(advanced_event_selector.value.left_out) > 0 ? [advanced_event_selector.value.left_out] : []

        content {
          field           = "userIdentity.arn"
          not_starts_with = field_selector.value
        }
      }
    }
  }

  # By prefix: the ARN of a version or an alias of a function is longer.
  dynamic "advanced_event_selector" {
    for_each = length(var.function_arns) > 0 ? ["Invocations of functions"] : []

    content {
      name = advanced_event_selector.value

      field_selector {
        field  = "eventCategory"
        equals = ["Data"]
      }

      field_selector {
        field  = "resources.type"
        equals = ["AWS::Lambda::Function"]
      }

      field_selector {
        field       = "resources.ARN"
        starts_with = sort(var.function_arns)
      }
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
