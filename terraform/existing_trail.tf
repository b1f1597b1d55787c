# A trail that the account or its organization has already: it is read, and nothing of it is changed. What its owner must add is
# an output (docs/existing_trail.md).

locals {
  has_own_trail = var.existing_trail == null

  # Above the folder of each account, and this account's.
  # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/get-and-view-cloudtrail-log-files.html
  trail_root   = "${join("/", compact([try(var.existing_trail.prefix, ""), "AWSLogs", try(var.existing_trail.organization_id, "")]))}/"
  trail_folder = "${local.trail_root}${var.account_id}/"

  existing_trail_key_arns = compact(var.existing_trail[*].key_arn)
  # The key that the trail's files are encrypted with, if they are with one.
  trail_key_arns = concat(module.trail_key[*].arn, local.existing_trail_key_arns)

  # Who reads its files: who verifies them, who asks the rules of sql/anomalies, and who has the log tell of the newest digests.
  trail_readers = concat(
    [for short in ["auditor", "sealer"] : local.role_arns[short]],
    [for persona in ["auditor", "break-glass"] : local.persona_arns[persona] if contains(keys(local.persona_arns), persona)],
  )
}

# What people may do there, who verify the trail.
data "aws_iam_policy_document" "existing_trail" {
  count = local.has_own_trail ? 0 : 1

  statement {
    sid       = "ReadExistingTrail"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arns["cloudtrail-log"]}/${local.trail_folder}*"]
  }

  statement {
    sid       = "ListExistingTrail"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [local.bucket_arns["cloudtrail-log"]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${local.trail_folder}*"]
    }
  }

  # Athena looks for the bucket's Region.
  statement {
    sid       = "LocateExistingTrail"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.bucket_arns["cloudtrail-log"]]
  }

  dynamic "statement" {
    for_each = local.existing_trail_key_arns

    content {
      sid       = "DecryptExistingTrail"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["s3.${split(":", statement.value)[3]}.${local.dns_suffix}"]
      }
    }
  }
}

locals {
  existing_trail_policies = { for document in data.aws_iam_policy_document.existing_trail : "read-trail" => document.json }
}

# For the policies of the bucket and of its key: needed if they are another account's, or do not leave such access to IAM.
data "aws_iam_policy_document" "existing_trail_bucket" {
  count = local.has_own_trail ? 0 : 1

  statement {
    sid       = "CustodyReadsTrail"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arns["cloudtrail-log"]}/${local.trail_folder}*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${var.account_id}:root"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:PrincipalArn"
      values   = local.trail_readers
    }
  }

  statement {
    sid       = "CustodyListsTrail"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [local.bucket_arns["cloudtrail-log"]]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${var.account_id}:root"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:PrincipalArn"
      values   = local.trail_readers
    }

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${local.trail_folder}*"]
    }
  }

  statement {
    sid       = "CustodyLocatesTrail"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.bucket_arns["cloudtrail-log"]]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${var.account_id}:root"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:PrincipalArn"
      values   = local.trail_readers
    }
  }
}

data "aws_iam_policy_document" "existing_trail_key" {
  for_each = toset(local.existing_trail_key_arns)

  statement {
    sid       = "CustodyDecryptsTrail"
    actions   = ["kms:Decrypt"]
    resources = [each.value]

    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${var.account_id}:root"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:PrincipalArn"
      values   = local.trail_readers
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${split(":", each.value)[3]}.${local.dns_suffix}"]
    }
  }
}
