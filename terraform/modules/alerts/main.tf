data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  name = "${var.prefix}-alerts"
  here = "${data.aws_region.current.name}:${var.account_id}"
  arn  = "arn:${data.aws_partition.current.partition}:sns:${local.here}:${local.name}"

  # Service → the resources of this deployment that it publishes for.
  publishers = {
    CloudWatchAlarmsPublish = {
      service    = "cloudwatch.amazonaws.com"
      source_arn = "arn:${data.aws_partition.current.partition}:cloudwatch:${local.here}:alarm:${var.prefix}-*"
    }
    EventRulesPublish = {
      service    = "events.amazonaws.com"
      source_arn = "arn:${data.aws_partition.current.partition}:events:${local.here}:rule/${var.prefix}-*"
    }
  }
}

# A customer managed key: the key policy of aws/sns allows neither service, and alarms would be lost without an error.
# https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
module "key" {
  source = "../key"

  account_id           = var.account_id
  deletion_window_days = var.key_window_days
  description          = "Encrypts the alerts of ${var.prefix}"
  name                 = local.name
  via_services         = ["sns"]

  users = merge(
    {
      for sid, publisher in local.publishers : sid => {
        principals = [publisher.service]
        actions    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        conditions = [
          { test = "StringEquals", variable = "aws:SourceAccount", values = [var.account_id] },
          { test = "ArnLike", variable = "aws:SourceArn", values = [publisher.source_arn] },
        ]
      }
    },
    length(var.publishers) == 0 ? {} : {
      RolesPublish = {
        principals = var.publishers
        actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
        conditions = []
      }
    },
  )
}

# https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
data "aws_iam_policy_document" "this" {
  dynamic "statement" {
    for_each = local.publishers

    content {
      sid       = statement.key
      actions   = ["sns:Publish"]
      resources = [local.arn]

      principals {
        type        = "Service"
        identifiers = [statement.value.service]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [var.account_id]
      }

      condition {
        test     = "ArnLike"
        variable = "aws:SourceArn"
        values   = [statement.value.source_arn]
      }
    }
  }

  dynamic "statement" {
    for_each = length(var.publishers) > 0 ? [var.publishers] : []

    content {
      sid       = "RolesPublish"
      actions   = ["sns:Publish"]
      resources = [local.arn]

      principals {
        type        = "AWS"
        identifiers = statement.value
      }
    }
  }

  # Whatever their own policies allow. The services are those above, each for resources of this deployment.
  statement {
    sid       = "NobodyElsePublishes"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [local.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    dynamic "condition" {
      for_each = length(var.publishers) > 0 ? [var.publishers] : []

      content {
        test     = "ArnNotEquals"
        variable = "aws:PrincipalArn"
        values   = condition.value
      }
    }

    condition {
      test     = "Bool"
      variable = "aws:PrincipalIsAWSService"
      values   = ["false"]
    }
  }

  statement {
    sid       = "NobodyWithoutTls"
    effect    = "Deny"
    actions   = ["sns:Publish"]
    resources = [local.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sns_topic" "this" {
  name              = local.name
  kms_master_key_id = module.key.arn
  policy            = data.aws_iam_policy_document.this.json
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.emails

  topic_arn = local.arn
  protocol  = "email"
  endpoint  = each.value

  depends_on = [aws_sns_topic.this]
}

# https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
resource "aws_sns_topic_subscription" "findings" {
  for_each = var.finding_emails

  topic_arn     = local.arn
  protocol      = "email"
  endpoint      = each.key
  filter_policy = jsonencode({ severity = sort(each.value) })

  depends_on = [aws_sns_topic.this]
}
