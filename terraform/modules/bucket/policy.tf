# It gives nothing to our own: their policies do. It says who and what is refused, whatever other policies come to say;
# only services that deliver here are let in by it (policy_documents).
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

  # Every operation on an object. Services deliver on statements of their own, each tied to what it acts for. Whoever does
  # not sign his request is let in by nothing.
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

  # UpdateObjectEncryption puts a stored version under another key: it takes s3:PutObject besides, and names the key in every
  # request. Evidence stays as it was stored; so does what is under S3's own encryption, for every key is another one there.
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

  # What is stored can be read at once, and survives the loss of a zone: in an archive an object waits for its restoration, and
  # whatever reads it waits too. Copies and uploads in parts name their class as they begin, under the same action.
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

  # Nor an administrator. What is left to him, because Terraform needs it, is to change this policy, the lock's default for
  # what comes later, and the lifecycle, which takes no version under its lock: each is an alarm (modules/trail).
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

  # Once: only if there is nothing yet (If-None-Match). Checked: only if there is nothing yet, or what the writer has seen
  # (If-Match), so that of two writers one finds out.
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
