# The bucket policy grants nothing to the kit's roles: their own policies do. It denies, whatever other policies allow; its
# only grants are to services that deliver here (policy_documents).
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

  # Every operation on an object. Services deliver by statements of their own, each limited to the resource it acts for. No
  # statement allows anonymous requests.
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalisawsservice
  statement {
    sid       = "NobodyElseTouchesObjects"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = ["${local.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    dynamic "condition" {
      for_each = length(var.principals) > 0 ? [var.principals] : []

      content {
        test     = "ArnNotLike"
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

  # A request that names an encryption must name the bucket's. A request that names none gets it by default: most writers, and
  # every part of a multipart upload. A negated operator also matches an absent key, with or without …IfExists, so the Null
  # condition is what allows those requests.
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

  # UpdateObjectEncryption re-encrypts a stored version under another key: it also requires s3:PutObject, and every request names
  # the key. Evidence must stay as it was stored; so must objects under SSE-S3, for which every KMS key is another key.
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/update-sse-encryption.html
  statement {
    sid       = "NobodyReencrypts"
    effect    = "Deny"
    actions   = ["s3:UpdateObjectEncryption"]
    resources = ["${local.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    dynamic "condition" {
      for_each = local.has_key && var.object_lock == null ? [var.key_arn] : []

      content {
        test     = "StringNotEquals"
        variable = "s3:x-amz-server-side-encryption-aws-kms-key-id"
        values   = [condition.value]
      }
    }
  }

  # Objects must be readable at once and survive the loss of a zone: an archived object must be restored before it can be read.
  # Copies and multipart uploads name their storage class when they start, under the same action.
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
  statement {
    sid       = "NobodyIntoAnArchive"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${local.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringNotEquals"
      variable = "s3:x-amz-storage-class"
      values   = ["GLACIER_IR", "INTELLIGENT_TIERING", "STANDARD", "STANDARD_IA"]
    }

    condition {
      test     = "Null"
      variable = "s3:x-amz-storage-class"
      values   = ["false"]
    }
  }

  # Not even an administrator. Terraform must be able to change this policy, the default retention for later objects, and the
  # lifecycle, which deletes no locked version; each such change raises an alarm (modules/trail).
  dynamic "statement" {
    for_each = var.object_lock == null ? [] : [var.object_lock]

    content {
      sid       = "NobodyDeletesEvidence"
      effect    = "Deny"
      actions   = ["s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ReplicateDelete"]
      resources = ["${local.arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }

  # An upload that names a retention gets that one instead of the bucket's default.
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
    for_each = local.sole_writers

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
        test     = "ArnNotLike"
        variable = "aws:PrincipalArn"
        values   = statement.value.principals
      }
    }
  }

  # Once: only if the object does not exist yet (If-None-Match). Checked: only if it does not exist yet, or is the one that the
  # writer has read (If-Match), so that of two concurrent writers one fails.
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
  dynamic "statement" {
    for_each = { for word, writers in local.sole_writers : word => writers if writers.writes != "freely" }

    content {
      sid       = "NobodyOverwritesUnder${statement.key}"
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = ["${local.arn}/${statement.value.prefix}*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      dynamic "condition" {
        for_each = statement.value.writes == "once" ? ["s3:if-none-match"] : ["s3:if-match", "s3:if-none-match"]

        content {
          test     = "Null"
          variable = condition.value
          values   = ["true"]
        }
      }

      condition {
        test     = "Bool"
        variable = "s3:ObjectCreationOperation"
        values   = ["true"]
      }
    }
  }
}
