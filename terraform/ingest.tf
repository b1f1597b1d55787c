# Streaming input: Firehose buffers records, encrypted under a key of their own, and delivers them into raw-data with a role
# that does nothing else.

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

  # ListBucketMultipartUploads does not support s3:prefix: with that condition it would never be allowed.
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
    resources = [for short in keys(local.stream_names) : "${local.log_group_arns[short]}:log-stream:*"]
  }
}

# https://docs.aws.amazon.com/firehose/latest/dev/controlling-access.html#using-iam-glue
data "aws_iam_policy_document" "ingest_schema" {
  count = var.stream.parquet == null || !local.has_streams ? 0 : 1

  statement {
    sid     = "ReadSchema"
    actions = ["glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"]
    resources = [
      for resource in ["catalog", "database/${local.database_name}", "table/${local.database_name}/${var.stream.parquet.table}"] :
      "arn:${local.partition}:glue:${var.region}:${var.account_id}:${resource}"
    ]
  }
}

module "ingest_role" {
  source = "./modules/role"
  count  = local.has_streams ? 1 : 0

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Delivers streams into ${local.prefix}"
  name         = local.role_names["ingest"]
  trust        = { service = { name = "firehose.amazonaws.com", source_arns = values(local.stream_arns) } }

  policies = merge(
    {
      objects   = data.aws_iam_policy_document.ingest_objects.json
      use-keys  = data.aws_iam_policy_document.ingest_keys.json
      write-log = data.aws_iam_policy_document.ingest_log.json
    },
    { for document in data.aws_iam_policy_document.ingest_schema : "read-schema" => document.json },
  )
}

# No principal may read buffered records: only Firehose uses the key, under the grant that the creator of the stream gives it.
module "stream_key" {
  source = "./modules/key"
  count  = local.has_streams ? 1 : 0

  account_id           = var.account_id
  deletion_window_days = var.retention.key_window_days
  description          = "Encrypts the records buffered in the streams of ${local.prefix}, and the streams' logs"
  name                 = "${local.prefix}-stream"
  principals           = var.operators.deploy
  via_services         = ["firehose"]

  users = {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    LogsEncryptStreamLogs = {
      principals = ["logs.${var.region}.${local.dns_suffix}"]
      actions    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = [
        {
          test     = "ArnEquals"
          variable = "kms:EncryptionContext:aws:logs:arn"
          values   = [for short in keys(local.stream_names) : local.log_group_arns[short]]
        },
      ]
    }
  }
}

# Parquet goes into a separate folder: the table's contract is for what a stream delivers by default, lines.
module "stream" {
  source   = "./modules/stream"
  for_each = local.stream_tables

  alarms             = { freshness_seconds = var.stream.freshness_seconds, topic_arn = module.alerts.topic_arn }
  bucket_arn         = module.lake["raw-data"].arn
  buffering          = { mib = var.stream.buffering_mib, seconds = var.stream.buffering_seconds }
  error_prefix       = "errors/stream/${each.value}/"
  key_arn            = module.stream_key[0].arn
  log_retention_days = var.retention.log_days
  name               = local.stream_names[each.key]
  parquet            = var.stream.parquet == null ? null : { database = module.catalog.database, table = var.stream.parquet.table }
  prefix             = var.stream.parquet == null ? local.silver_tables[each.value] : "incoming/stream/${each.value}-parquet/"
  role_arn           = module.ingest_role[0].ready_arn
}

# Each was there always, before there could be deployments without streams.
moved {
  from = module.ingest_role
  to   = module.ingest_role[0]
}

moved {
  from = module.stream_key
  to   = module.stream_key[0]
}
