# Buckets that somebody else in the account has, recorded where they lie. Nothing here changes them: EventBridge, not a
# notification of theirs, tells the recorder of new objects, because a bucket's notifications are one set and ours would replace
# what is there. What their owner must add is an output (docs/adopting.md).

locals {
  adopted = {
    for short, bucket in var.adopted_buckets : short => {
      arn         = "arn:${local.partition}:s3:::${bucket.bucket}"
      object_arns = [for prefix in bucket.prefixes : "arn:${local.partition}:s3:::${bucket.bucket}/${prefix}*"]
      rule_arn    = "arn:${local.partition}:events:${var.region}:${var.account_id}:rule/${local.prefix}-adopted-${short}"
    }
  }
  adopted_arns        = sort([for bucket in local.adopted : bucket.arn])
  adopted_object_arns = sort(flatten([for bucket in local.adopted : bucket.object_arns]))
  adopted_key_arns    = sort(distinct([for bucket in var.adopted_buckets : bucket.key_arn if bucket.key_arn != null]))
  adopted_rule_arns   = sort([for bucket in local.adopted : bucket.rule_arn])

  # Who reads their objects: who makes receipts, who verifies them, and who requests those that are missing.
  adopted_readers = concat(
    [for role in local.recorder_roles : local.role_arns[role]],
    [for persona in ["auditor", "break-glass"] : local.persona_arns[persona] if contains(keys(local.persona_arns), persona)],
  )
}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
resource "aws_cloudwatch_event_rule" "adopted" {
  for_each = var.adopted_buckets

  name        = "${local.prefix}-adopted-${each.key}"
  description = "Tells the recorder of new objects in ${each.value.bucket}"

  event_pattern = jsonencode({
    account       = [var.account_id]
    "detail-type" = ["Object Created"]
    source        = ["aws.s3"]
    detail = merge(
      { bucket = { name = [each.value.bucket] } },
      contains(each.value.prefixes, "") ? {} : { object = { key = [for prefix in each.value.prefixes : { prefix = prefix }] } },
    )
  })

  lifecycle {
    precondition {
      condition     = sum([for prefix in each.value.prefixes : length(prefix) + 14]) <= 1700
      error_message = "${each.value.bucket} in adopted_buckets has too many prefixes for EventBridge, whose patterns have at most 2048 characters: name fewer, shorter ones."
    }
  }
}

resource "aws_cloudwatch_event_target" "adopted" {
  for_each = var.adopted_buckets

  rule      = aws_cloudwatch_event_rule.adopted[each.key].name
  target_id = "recorder"
  arn       = local.queue_arns["recorder"]

  # Before that, EventBridge would be denied.
  depends_on = [module.provenance_key, module.recorder]
}

# It tries for a day; then the event is lost.
resource "aws_cloudwatch_metric_alarm" "adopted" {
  for_each = var.adopted_buckets

  alarm_name          = "${local.prefix}-adopted-${each.key}-undelivered"
  alarm_description   = "Events of ${each.value.bucket} do not reach the recorder's queue: EventBridge may not send to it. The objects they are of have no receipt; custody backfill makes them."
  namespace           = "AWS/Events"
  metric_name         = "FailedInvocations"
  dimensions          = { RuleName = "${local.prefix}-adopted-${each.key}" }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [module.alerts.topic_arn]
  ok_actions          = [module.alerts.topic_arn]
}

# For the policies of the bucket and of its key, if these do not leave such access to IAM.
data "aws_iam_policy_document" "adopted_bucket" {
  for_each = local.adopted

  statement {
    sid       = "CustodyReadsVersions"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = each.value.object_arns

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${var.account_id}:root"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:PrincipalArn"
      values   = local.adopted_readers
    }
  }

  statement {
    sid       = "CustodyListsVersions"
    actions   = ["s3:GetBucketNotification", "s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketVersions"]
    resources = [each.value.arn]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${var.account_id}:root"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:PrincipalArn"
      values   = local.adopted_readers
    }
  }
}

data "aws_iam_policy_document" "adopted_key" {
  for_each = { for short, adopted in var.adopted_buckets : short => adopted.key_arn if adopted.key_arn != null }

  statement {
    sid       = "CustodyDecryptsObjects"
    actions   = ["kms:Decrypt"]
    resources = [each.value]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${var.account_id}:root"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:PrincipalArn"
      values   = local.adopted_readers
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.${local.dns_suffix}"]
    }
  }
}

# What the recorder, and with the same words those who verify, may do there. The account's ID is a condition because a bucket's
# name is free again once its owner has deleted it.
data "aws_iam_policy_document" "adopted" {
  count = length(var.adopted_buckets) == 0 ? 0 : 1

  statement {
    sid       = "ReadAdoptedVersions"
    actions   = ["s3:GetObjectVersion"]
    resources = local.adopted_object_arns

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceAccount"
      values   = [var.account_id]
    }
  }

  # Without it, S3 returns 403 instead of 404 for a version that no longer exists.
  statement {
    sid       = "ListAdoptedVersions"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = local.adopted_arns

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceAccount"
      values   = [var.account_id]
    }
  }

  dynamic "statement" {
    for_each = length(local.adopted_key_arns) > 0 ? [local.adopted_key_arns] : []

    content {
      sid       = "DecryptAdoptedObjects"
      actions   = ["kms:Decrypt"]
      resources = statement.value

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["s3.${var.region}.${local.dns_suffix}"]
      }
    }
  }
}

data "aws_iam_policy_document" "adopted_auditor" {
  count = length(var.adopted_buckets) == 0 ? 0 : 1

  source_policy_documents = [data.aws_iam_policy_document.adopted[0].json]

  statement {
    sid       = "ExamineAdoptedBuckets"
    actions   = ["s3:GetBucketNotification", "s3:GetBucketVersioning"]
    resources = local.adopted_arns

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceAccount"
      values   = [var.account_id]
    }
  }
}

locals {
  adopted_policies         = { for document in data.aws_iam_policy_document.adopted : "read-adopted" => document.json }
  adopted_auditor_policies = { for document in data.aws_iam_policy_document.adopted_auditor : "read-adopted" => document.json }
}
