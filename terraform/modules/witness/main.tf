# Of an account that whoever runs the log has no access to: a witness, which cosigns a checkpoint of the log only if it extends
# the last one that it cosigned.

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  function        = "${var.name}-cosigner"
  here            = "${data.aws_region.current.name}:${var.account_id}"
  bucket          = "${var.name}-state-${var.account_id}"
  log_bucket      = "${var.name}-logs-${var.account_id}"
  code_bucket     = "${var.name}-code-${var.account_id}"
  bucket_arn      = "arn:${data.aws_partition.current.partition}:s3:::${local.bucket}"
  log_bucket_arn  = "arn:${data.aws_partition.current.partition}:s3:::${local.log_bucket}"
  code_bucket_arn = "arn:${data.aws_partition.current.partition}:s3:::${local.code_bucket}"
  function_arn    = "arn:${data.aws_partition.current.partition}:lambda:${local.here}:function:${local.function}"
  role_arn        = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:role/${local.function}"
  state           = "checkpoints/"

  log_group_arns = {
    for short, name in { function = "/aws/lambda/${local.function}", requests = local.request_log } :
    short => "arn:${data.aws_partition.current.partition}:logs:${local.here}:log-group:${name}"
  }
}

module "key" {
  source = "../key"

  account_id           = var.account_id
  deletion_window_days = var.key_window_days
  description          = "Encrypts the state, code, settings and logs of the witness ${var.name}"
  name                 = var.name
  principals           = var.deployers
  via_services         = ["lambda", "s3"]

  users = {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    LogsEncrypt = {
      principals = ["logs.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
      actions    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = [
        { test = "ArnEquals", variable = "kms:EncryptionContext:aws:logs:arn", values = values(local.log_group_arns) },
      ]
    }
  }

  # By a condition: the role's boundary names this key, so the role cannot be there before.
  guests = { CosignerKeepsState = { role_arns = [local.role_arn], actions = ["kms:Decrypt", "kms:GenerateDataKey"] } }
}

# The last checkpoint of each log that was cosigned: replaced only by the cosigner, who names the ETag that it has read, and
# never taken away. Who could, would have the witness cosign another history.
# Who applies this may read it: with a checkpoint that does not extend it, it proves a fork.
module "state" {
  source = "../bucket"

  access_log_bucket = module.logs.name
  force_destroy     = var.force_destroy
  key_arn           = module.key.arn
  lifecycle_days    = { noncurrent = var.retention.days }
  name              = local.bucket
  object_lock       = var.retention
  principals        = setunion([local.role_arn], var.deployers)
  sole_writers      = { (local.state) = { principals = [local.role_arn], writes = "checked" } }
}

module "code" {
  source = "../bucket"

  access_log_bucket = module.logs.name
  force_destroy     = var.force_destroy
  key_arn           = module.key.arn
  lifecycle_days    = { noncurrent = var.log_days }
  name              = local.code_bucket
  principals        = var.deployers
}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
data "aws_iam_policy_document" "logs" {
  statement {
    sid       = "BucketsDeliverAccessLogs"
    actions   = ["s3:PutObject"]
    resources = ["${local.log_bucket_arn}/*"]

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
      values   = [local.bucket_arn, local.code_bucket_arn]
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

module "alerts" {
  source = "../alerts"

  account_id      = var.account_id
  emails          = var.alert_emails
  key_window_days = var.key_window_days
  prefix          = var.name
}
