# What arrives as a stream: the role by which Firehose delivers it into raw-data.

# https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-s3
data "aws_iam_policy_document" "ingest_objects" {
  statement {
    sid       = "DeliverStreams"
    actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
    resources = [for prefix in local.stream_prefixes : "${local.bucket_arns["raw-data"]}/${prefix}*"]
  }

  statement {
    sid       = "FindBucket"
    actions   = ["s3:GetBucketLocation"]
    resources = [local.bucket_arns["raw-data"]]
  }

  # The listing of uploads knows no s3:prefix: under that condition it would never be allowed.
  statement {
    sid       = "ListUploads"
    actions   = ["s3:ListBucketMultipartUploads"]
    resources = [local.bucket_arns["raw-data"]]
  }

  statement {
    sid       = "ListDeliveries"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns["raw-data"]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = [for prefix in local.stream_prefixes : "${prefix}*"]
    }
  }
}

locals {
  stream_prefixes = ["errors/stream/", "incoming/stream/"]
}

data "aws_iam_policy_document" "ingest_keys" {
  statement {
    sid       = "EncryptDeliveries"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.data_key.arn]
  }
}

data "aws_iam_policy_document" "ingest_log" {
  statement {
    sid       = "WriteLog"
    actions   = ["logs:PutLogEvents"]
    resources = ["${local.log_group_arns["ingest"]}:log-stream:*"]
  }
}

module "ingest_role" {
  source = "./modules/role"

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Delivers streams into ${local.prefix}"
  name         = local.role_names["ingest"]
  trust        = { service = { match = "like", name = "firehose.amazonaws.com", source_arns = [local.stream_arns] } }

  policies = {
    objects   = data.aws_iam_policy_document.ingest_objects.json
    use-keys  = data.aws_iam_policy_document.ingest_keys.json
    write-log = data.aws_iam_policy_document.ingest_log.json
  }
}
