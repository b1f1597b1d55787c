# A second copy of the evidence, in a locked bucket of another account and best of another Region (modules/evidence_copy makes it
# there): receipts, log and key registry, the trail, and the file by which custody knows the deployment. Not the data: copied into
# a locked bucket it could not be erased any more.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication.html

locals {
  # They have no key in common, so that one bucket takes them. A trail that is not the kit's is its owner's to copy.
  copied_prefixes = var.evidence_copy == null ? {} : merge({ artifacts = local.deployment_key }, { for short in local.evidence_buckets : short => "" })

  copy = var.evidence_copy == null ? null : {
    account_id = split(":", var.evidence_copy.key_arn)[4]
    arn        = "arn:${local.partition}:s3:::${var.evidence_copy.bucket}"
    region     = split(":", var.evidence_copy.key_arn)[3]
  }

  replication = {
    for short, prefix in local.copied_prefixes : short => {
      account_id = local.copy.account_id
      bucket     = var.evidence_copy.bucket
      key_arn    = var.evidence_copy.key_arn
      prefix     = prefix
      role_arn   = module.evidence_copy_role[0].ready_arn
      rule_id    = "evidence-copy"
    }
  }

  # Of each key whose objects are copied. Each bucket has an S3 Bucket Key, so the encryption context is the bucket's ARN.
  copied_context = { test = "StringEquals", variable = "kms:EncryptionContext:aws:s3:arn", values = [for short in keys(local.copied_prefixes) : local.bucket_arns[short]] }
  copy_key_users = var.evidence_copy == null ? {} : {
    ReplicationReads = {
      principals = [module.evidence_copy_role[0].arn]
      actions    = ["kms:Decrypt"]
      conditions = [local.copied_context]
    }
  }
}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
data "aws_iam_policy_document" "evidence_copy_objects" {
  count = var.evidence_copy == null ? 0 : 1

  statement {
    sid       = "SeeWhatIsReplicated"
    actions   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
    resources = [for short in keys(local.copied_prefixes) : local.bucket_arns[short]]
  }

  statement {
    sid = "ReadVersionsWithTheirLocks"
    actions = [
      "s3:GetObjectLegalHold",
      "s3:GetObjectRetention",
      "s3:GetObjectVersionAcl",
      "s3:GetObjectVersionForReplication",
      "s3:GetObjectVersionTagging",
    ]
    resources = [for short, prefix in local.copied_prefixes : "${local.bucket_arns[short]}/${prefix}${endswith(prefix, ".json") ? "" : "*"}"]
  }

  # No s3:ReplicateDelete: what is deleted here stays there.
  statement {
    sid       = "StoreReplicas"
    actions   = ["s3:ObjectOwnerOverrideToBucketOwner", "s3:ReplicateObject", "s3:ReplicateTags"]
    resources = ["${local.copy.arn}/*"]
  }
}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-config-for-kms-objects.html
data "aws_iam_policy_document" "evidence_copy_keys" {
  count = var.evidence_copy == null ? 0 : 1

  statement {
    sid       = "DecryptOriginals"
    actions   = ["kms:Decrypt"]
    resources = concat([module.data_key.arn, module.provenance_key.arn], module.trail_key[*].arn)

    condition {
      test     = local.copied_context.test
      variable = local.copied_context.variable
      values   = local.copied_context.values
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.${local.dns_suffix}"]
    }
  }

  statement {
    sid       = "EncryptReplicas"
    actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
    resources = [var.evidence_copy.key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:aws:s3:arn"
      values   = [local.copy.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.copy.region}.${local.dns_suffix}"]
    }
  }
}

module "evidence_copy_role" {
  source = "./modules/role"
  count  = var.evidence_copy == null ? 0 : 1

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Replicates the evidence of ${local.prefix} into another account"
  name         = local.role_names["evidence-copy"]

  policies = {
    objects  = data.aws_iam_policy_document.evidence_copy_objects[0].json
    use-keys = data.aws_iam_policy_document.evidence_copy_keys[0].json
  }

  # Whoever configures a replication must be able to pass the role (iam:PassRole), which nobody outside of the account is.
  trust = {
    service = {
      match       = "if-sent"
      name        = "s3.amazonaws.com"
      source_arns = [for short in keys(local.copied_prefixes) : local.bucket_arns[short]]
    }
  }
}

# Amazon S3 does not try again what failed. How far the copy is behind, it says in the copy's Region alone, where no alarm of
# this one looks: custody verify --copy says what is missing.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/repl-metrics.html
resource "aws_cloudwatch_metric_alarm" "evidence_copy" {
  for_each = local.copied_prefixes

  alarm_name          = "${local.prefix}-evidence-copy-${each.key}-failed"
  alarm_description   = "Amazon S3 could not replicate an object of ${local.bucket_names[each.key]} into ${var.evidence_copy.bucket}, and does not try again: the copy of the evidence is incomplete. custody verify --copy names what is missing."
  namespace           = "AWS/S3"
  metric_name         = "OperationsFailedReplication"
  dimensions          = { SourceBucket = local.bucket_names[each.key], DestinationBucket = var.evidence_copy.bucket, RuleId = "evidence-copy" }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [module.alerts.topic_arn]
  ok_actions          = [module.alerts.topic_arn]
}

# What custody verify --copy reads there; the copy's own policies have to let it in, too.
data "aws_iam_policy_document" "evidence_copy_auditor" {
  count = var.evidence_copy == null ? 0 : 1

  statement {
    sid       = "ReadCopy"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.copy.arn}/*"]
  }

  statement {
    sid       = "ListCopy"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"]
    resources = [local.copy.arn]
  }

  statement {
    sid       = "DecryptCopy"
    actions   = ["kms:Decrypt"]
    resources = [var.evidence_copy.key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${local.copy.region}.${local.dns_suffix}"]
    }
  }
}

locals {
  copy_auditor_policies = { for document in data.aws_iam_policy_document.evidence_copy_auditor : "read-copy" => document.json }
}
