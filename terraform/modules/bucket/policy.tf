# https://docs.aws.amazon.com/AmazonS3/latest/userguide/amazon-s3-policy-keys.html
data "aws_iam_policy_document" "this" {
  source_policy_documents = var.policy_documents

  statement {
    sid       = "NobodyWithoutTls"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [local.arn, "${local.arn}/*"]

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

  # Who names an encryption must name ours. Who names none gets ours by the bucket's default: most writers, and every
  # part of a multipart upload. A negated operator holds for an absent key too, with or without …IfExists, so it is
  # the Null condition that lets those through.
  dynamic "statement" {
    for_each = local.has_key ? {
      NobodyWithAnotherEncryption = { variable = "s3:x-amz-server-side-encryption", value = "aws:kms" }
      NobodyWithAnotherKey        = { variable = "s3:x-amz-server-side-encryption-aws-kms-key-id", value = var.key_arn }
    } : {}

    content {
      sid       = statement.key
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = ["${local.arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      condition {
        test     = "StringNotEquals"
        variable = statement.value.variable
        values   = [statement.value.value]
      }

      condition {
        test     = "Null"
        variable = statement.value.variable
        values   = ["false"]
      }
    }
  }

  statement {
    sid       = "NobodyWithTheirOwnKey"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${local.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Null"
      variable = "s3:x-amz-server-side-encryption-customer-algorithm"
      values   = ["false"]
    }
  }

  dynamic "statement" {
    for_each = var.object_lock == null ? [] : [var.object_lock]

    content {
      sid       = "NobodyDeletesEvidence"
      effect    = "Deny"
      actions   = ["s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion"]
      resources = ["${local.arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }

  # An upload that names a retention gets that one, and not the bucket's default.
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
  dynamic "statement" {
    for_each = var.object_lock == null ? [] : [var.object_lock]

    content {
      sid       = "NobodyShortensRetention"
      effect    = "Deny"
      actions   = ["s3:PutObjectRetention"]
      resources = ["${local.arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      condition {
        test     = "NumericLessThan"
        variable = "s3:object-lock-remaining-retention-days"
        values   = [statement.value.days]
      }
    }
  }

  dynamic "statement" {
    for_each = local.write_once

    content {
      sid       = "WritersCreateUnder${statement.key}"
      actions   = ["s3:PutObject"]
      resources = ["${local.arn}/${statement.value.prefix}*"]

      principals {
        type        = "AWS"
        identifiers = statement.value.writers
      }
    }
  }

  dynamic "statement" {
    for_each = local.write_once

    content {
      sid       = "NobodyElseCreatesUnder${statement.key}"
      effect    = "Deny"
      actions   = ["s3:PutObject", "s3:ReplicateObject"]
      resources = ["${local.arn}/${statement.value.prefix}*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      condition {
        test     = "ArnNotEquals"
        variable = "aws:PrincipalArn"
        values   = statement.value.writers
      }
    }
  }

  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
  dynamic "statement" {
    for_each = local.write_once

    content {
      sid       = "NobodyOverwritesUnder${statement.key}"
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = ["${local.arn}/${statement.value.prefix}*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      condition {
        test     = "Null"
        variable = "s3:if-none-match"
        values   = ["true"]
      }

      condition {
        test     = "Bool"
        variable = "s3:ObjectCreationOperation"
        values   = ["true"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.grants

    content {
      sid     = statement.key
      actions = statement.value.actions
      resources = (
        length(statement.value.prefixes) == 0
        ? [local.arn]
        : [for prefix in statement.value.prefixes : "${local.arn}/${prefix}*"]
      )

      principals {
        type        = "AWS"
        identifiers = statement.value.principals
      }
    }
  }
}
