# Where Terraform stores its state: that of the root and that of this configuration.

module "state_key" {
  source = "../modules/key"

  account_id           = var.account_id
  deletion_window_days = var.retention.key_window_days
  description          = "Encrypts the Terraform state of ${local.prefix}"
  name                 = "${local.prefix}-state"

  # Used directly by these roles only: no AWS service uses it for others.
  users = {
    AdministratorsKeepState = {
      principals = var.administrators
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
    }
    CiKeepsState = {
      principals = [module.plan_role.arn, module.apply_role.arn]
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
    }
  }
}

module "state" {
  source = "../modules/bucket"

  access_log_bucket = module.state_logs.name
  key_arn           = module.state_key.arn
  lifecycle_days    = { noncurrent = var.retention.state_days }
  name              = local.bucket_names["state"]
  principals        = setunion(var.administrators, values(local.role_arns))
}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
data "aws_iam_policy_document" "state_logs" {
  statement {
    sid       = "StateBucketDeliversAccessLogs"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arns["state-logs"]}/*"]

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
      values   = [local.bucket_arns["state"]]
    }
  }
}

module "state_logs" {
  source = "../modules/bucket"

  lifecycle_days   = { noncurrent = var.retention.log_days, expiration = var.retention.log_days }
  name             = local.bucket_names["state-logs"]
  policy_documents = [data.aws_iam_policy_document.state_logs.json]
  principals       = var.administrators
}
