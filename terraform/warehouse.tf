# The account with which data is loaded into an external warehouse: its password is in Secrets Manager, where the rotator
# creates and rotates it. No person ever knows it.

locals {
  warehouse_secret_name = "${local.prefix}-warehouse"
  warehouse_secret_arn  = "arn:${local.partition}:secretsmanager:${var.region}:${var.account_id}:secret:${local.warehouse_secret_name}-??????"
}

data "aws_iam_policy_document" "rotator_secret" {
  count = var.warehouse == null ? 0 : 1

  statement {
    sid       = "SeeVersions"
    actions   = ["secretsmanager:DescribeSecret"]
    resources = [local.warehouse_secret_arn]
  }

  # The pending version that it created; and the current version, whose other fields are copied into it. Not the previous one.
  statement {
    sid       = "ReadCurrentAndPendingVersion"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [local.warehouse_secret_arn]

    condition {
      test     = "StringEquals"
      variable = "secretsmanager:VersionStage"
      values   = ["AWSCURRENT", "AWSPENDING"]
    }
  }

  statement {
    sid       = "MakeVersions"
    actions   = ["secretsmanager:PutSecretValue"]
    resources = [local.warehouse_secret_arn]
  }

  statement {
    sid       = "MakeVersionsCurrent"
    actions   = ["secretsmanager:UpdateSecretVersionStage"]
    resources = [local.warehouse_secret_arn]

    condition {
      test     = "StringEquals"
      variable = "secretsmanager:VersionStage"
      values   = ["AWSCURRENT"]
    }
  }
}

# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-control-access-using-iam-policies-to-invoke-api.html
data "aws_iam_policy_document" "rotator_account" {
  count = var.warehouse == null ? 0 : 1

  statement {
    sid     = "SetAndTryPassword"
    actions = ["execute-api:Invoke"]
    resources = [
      "${var.warehouse.api_arn}/PUT/accounts/${var.warehouse.account}/password",
      "${var.warehouse.api_arn}/POST/accounts/${var.warehouse.account}/sign-in",
    ]
  }
}

data "aws_iam_policy_document" "rotator_keys" {
  count = var.warehouse == null ? 0 : 1

  statement {
    sid       = "EncryptVersions"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.warehouse_secret[0].key_arn]
  }

  statement {
    sid       = "DecryptSettings"
    actions   = ["kms:Decrypt"]
    resources = [module.rotator_key[0].arn]
  }
}

module "rotator_role" {
  source = "./modules/role"
  count  = var.warehouse == null ? 0 : 1

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Rotates the password of the account that loads the warehouse of ${local.prefix}"
  name         = local.role_names["rotator"]
  trust        = { service = { name = "lambda.amazonaws.com", source_arns = [local.function_arns["rotator"]] } }

  policies = merge(local.function_network_policies["rotator"], {
    call-account = data.aws_iam_policy_document.rotator_account[0].json
    renew-secret = data.aws_iam_policy_document.rotator_secret[0].json
    use-keys     = data.aws_iam_policy_document.rotator_keys[0].json
    write-log    = data.aws_iam_policy_document.function_log["rotator"].json
  })
}

# For the rotator's settings and log, apart from the secret: they contain no secret.
module "rotator_key" {
  source = "./modules/key"
  count  = var.warehouse == null ? 0 : 1

  account_id           = var.account_id
  deletion_window_days = var.retention.key_window_days
  description          = "Encrypts the settings and the log of the rotator of ${local.prefix}"
  name                 = "${local.prefix}-rotator"
  principals           = var.operators.deploy
  via_services         = ["lambda"]

  users = {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    LogsEncryptRotatorLog = {
      principals = ["logs.${var.region}.${local.dns_suffix}"]
      actions    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = [
        { test = "ArnEquals", variable = "kms:EncryptionContext:aws:logs:arn", values = [local.log_group_arns["rotator"]] },
      ]
    }
    RotatorReadsSettings = {
      principals = [module.rotator_role[0].arn]
      actions    = ["kms:Decrypt"]
    }
  }
}

module "warehouse_secret" {
  source = "./modules/secret"
  count  = var.warehouse == null ? 0 : 1

  account_id       = var.account_id
  deployers        = var.operators.deploy
  description      = "Password of the account ${var.warehouse.account}, which loads the warehouse of ${local.prefix}"
  name             = local.warehouse_secret_name
  readers          = var.warehouse.readers
  recovery_days    = var.retention.key_window_days
  rotation_days    = var.warehouse.rotation_days
  rotator_role_arn = module.rotator_role[0].arn

  rotator = {
    code = {
      bucket   = module.artifacts.name
      handler  = "rotator.handler.handler"
      zip_path = "${path.root}/../build/lambda/rotator.zip"
    }
    environment = {
      ACCOUNT_ENDPOINT        = var.warehouse.endpoint
      ACCOUNT_NAME            = var.warehouse.account
      POWERTOOLS_LOG_LEVEL    = "INFO"
      POWERTOOLS_SERVICE_NAME = "rotator"
    }
    key_arn            = module.rotator_key[0].arn
    log_retention_days = var.retention.log_days
    name               = local.function_names["rotator"]
    role_arn           = module.rotator_role[0].ready_arn
    topic_arn          = module.alerts.topic_arn
    vpc                = local.function_vpc
  }
}
