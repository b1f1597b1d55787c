# Of another account, and best of another Region: the bucket that a deployment's evidence is replicated into. Whatever happens
# to the deployment's account, its evidence is here, and nobody, administrators of either account included, can delete it.

data "aws_partition" "current" {}

locals {
  bucket     = "${var.name}-${var.account_id}"
  log_bucket = "${var.name}-logs-${var.account_id}"
  bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket}"
  log_arn    = "arn:${data.aws_partition.current.partition}:s3:::${local.log_bucket}"
  replicator = "arn:${data.aws_partition.current.partition}:iam::${var.source_account_id}:role/${var.source_prefix}-evidence-copy"
  accounts   = sort(distinct([for arn in var.readers : "arn:${data.aws_partition.current.partition}:iam::${split(":", arn)[4]}:root"]))
}

module "key" {
  source = "../key"

  account_id           = var.account_id
  deletion_window_days = var.key_window_days
  description          = "Encrypts copied evidence in ${local.bucket}"
  name                 = var.name
  via_services         = ["s3"]

  guests = merge(
    # With an S3 Bucket Key it decrypts that key too.
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html#bucket-key-replication
    { ReplicationEncrypts = { role_arns = [local.replicator], actions = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"] } },
    length(var.readers) == 0 ? {} : { ReadersDecrypt = { role_arns = var.readers, actions = ["kms:Decrypt"] } },
  )
}

# Roles are named by conditions, since a policy cannot name one that does not exist yet.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
data "aws_iam_policy_document" "copy" {
  statement {
    sid       = "ReplicationStores"
    actions   = ["s3:ObjectOwnerOverrideToBucketOwner", "s3:ReplicateObject", "s3:ReplicateTags"]
    resources = ["${local.bucket_arn}/*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.current.partition}:iam::${var.source_account_id}:root"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:PrincipalArn"
      values   = [local.replicator]
    }
  }

  dynamic "statement" {
    for_each = length(var.readers) == 0 ? {} : {
      ReadersRead = { actions = ["s3:GetObject", "s3:GetObjectVersion"], resource = "${local.bucket_arn}/*" }
      ReadersList = { actions = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"], resource = local.bucket_arn }
    }

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = [statement.value.resource]

      principals {
        type        = "AWS"
        identifiers = local.accounts
      }

      condition {
        test     = "ArnLike"
        variable = "aws:PrincipalArn"
        values   = var.readers
      }
    }
  }

  # What is here came by replication (s3:ReplicateObject), with the original's version id.
  statement {
    sid       = "NobodyUploads"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "NobodyElseReplicates"
    effect    = "Deny"
    actions   = ["s3:ReplicateObject"]
    resources = ["${local.bucket_arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotEquals"
      variable = "aws:PrincipalArn"
      values   = [local.replicator]
    }
  }
}

module "copy" {
  source = "../bucket"

  access_log_bucket = module.logs.name
  force_destroy     = var.force_destroy
  key_arn           = module.key.arn
  lifecycle_days    = { noncurrent = var.retention.days }
  name              = local.bucket
  object_lock       = var.retention
  policy_documents  = [data.aws_iam_policy_document.copy.json]
  principals        = setunion([local.replicator], var.readers)
}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
data "aws_iam_policy_document" "logs" {
  statement {
    sid       = "CopyDeliversAccessLogs"
    actions   = ["s3:PutObject"]
    resources = ["${local.log_arn}/*"]

    principals {
      type        = "Service"
      identifiers = ["logging.s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.bucket_arn]
    }
  }
}

module "logs" {
  source = "../bucket"

  force_destroy    = var.force_destroy
  lifecycle_days   = { noncurrent = var.log_days, expiration = var.log_days }
  name             = local.log_bucket
  policy_documents = [data.aws_iam_policy_document.logs.json]
  principals       = []
}
