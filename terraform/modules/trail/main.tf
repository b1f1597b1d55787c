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

  # In the order and form of CloudTrail's API. By prefix: the ARN of a version or an alias of a function is longer.
  selectors = concat(
    [
      for name, selector in local.object_selectors : {
        name = name
        fields = concat(
          [
            { name = "eventCategory", operator = "Equals", values = ["Data"] },
            { name = "resources.type", operator = "Equals", values = ["AWS::S3::Object"] },
            { name = "resources.ARN", operator = "StartsWith", values = selector.arns },
          ],
          [for value in selector.read_only : { name = "readOnly", operator = "Equals", values = [value] }],
          [for arns in [selector.left_out] : { name = "userIdentity.arn", operator = "NotStartsWith", values = arns } if length(arns) > 0],
        )
      }
    ],
    [
      for arns in [sort(var.function_arns)] : {
        name = "Invocations of functions"
        fields = [
          { name = "eventCategory", operator = "Equals", values = ["Data"] },
          { name = "resources.type", operator = "Equals", values = ["AWS::Lambda::Function"] },
          { name = "resources.ARN", operator = "StartsWith", values = arns },
        ]
      } if length(arns) > 0
    ],
    [
      for category in ["Management"] : {
        name = "Management writes"
        fields = [
          { name = "eventCategory", operator = "Equals", values = [category] },
          { name = "readOnly", operator = "Equals", values = ["false"] },
        ]
      } if var.management_events
    ],
  )
}

# A trail of our own has logs. The mutation tests show that the scan of the source looks at it.
resource "aws_cloudwatch_log_group" "this" {
  count = var.logs == null ? 0 : 1

  name              = local.log_group_name
  kms_key_id        = var.logs.key_arn
  retention_in_days = var.logs.retention_days
}

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-data-events-with-cloudtrail.html
resource "aws_cloudtrail" "this" {
  # checkov:skip=CKV2_AWS_10:It is integrated, by an ARN built from names, which the scanner cannot resolve
  # checkov:skip=CKV_AWS_252:This topic would get a message for every log file; stopping or changing the trail alarms through the alerts topic
  count = var.logs == null ? 0 : 1

  name                          = var.name
  s3_bucket_name                = var.bucket
  kms_key_id                    = var.logs.key_arn
  cloud_watch_logs_group_arn    = "${local.log_group_arn}:*"
  cloud_watch_logs_role_arn     = var.logs.role_arn
  enable_log_file_validation    = true
  include_global_service_events = true
  is_multi_region_trail         = true

  # The trail's own bucket is not among them: each delivery would cause another event to deliver.
  dynamic "advanced_event_selector" {
    for_each = local.selectors

    content {
      name = advanced_event_selector.value.name

      dynamic "field_selector" {
        for_each = advanced_event_selector.value.fields

        content {
          field           = field_selector.value.name
          equals          = field_selector.value.operator == "Equals" ? field_selector.value.values : null
          not_starts_with = field_selector.value.operator == "NotStartsWith" ? field_selector.value.values : null
          starts_with     = field_selector.value.operator == "StartsWith" ? field_selector.value.values : null
        }
      }
    }
  }

  depends_on = [aws_cloudwatch_log_group.this]
}
