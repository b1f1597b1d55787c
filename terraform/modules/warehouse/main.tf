# What Snowflake needs in AWS: a role with which it reads gold, one for whoever loads, and the secret with the loader's key.

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # Secrets Manager adds six random characters to the name in the ARN.
  secret_arn = "arn:${data.aws_partition.current.partition}:secretsmanager:${data.aws_region.current.name}:${var.account_id}:secret:${var.name}-snowflake-??????"
  gold_arn   = "${var.bucket_arns["analytics"]}/tables"
}

# https://docs.snowflake.com/en/user-guide/data-load-s3-config-storage-integration
data "aws_iam_policy_document" "integration" {
  statement {
    sid       = "ReadGold"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.gold_arn}/*"]
  }

  statement {
    sid       = "ListGold"
    actions   = ["s3:ListBucket"]
    resources = [var.bucket_arns["analytics"]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["tables/*"]
    }
  }

  statement {
    sid       = "FindBucket"
    actions   = ["s3:GetBucketLocation"]
    resources = [var.bucket_arns["analytics"]]
  }

  statement {
    sid       = "DecryptGold"
    actions   = ["kms:Decrypt"]
    resources = [var.data_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

module "integration_role" {
  source = "../role"

  account_id   = var.account_id
  boundary_arn = var.boundary_arn
  description  = "Snowflake reads gold of ${var.name} with it"
  name         = "${var.name}-snowflake"
  policies     = { read-gold = data.aws_iam_policy_document.integration.json }
  trust        = { others = { external_id = var.integration.external_id, principals = [var.integration.iam_user_arn] } }
}

# What custody warehouse reads: the table and its lineage, the contract, and the evidence. It writes no object.
data "aws_iam_policy_document" "loader" {
  statement {
    sid     = "ReadTablesAndLineage"
    actions = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [
      "${local.gold_arn}/*",
      "${var.bucket_arns["processed"]}/tables/*/_lineage/*",
    ]
  }

  statement {
    sid       = "ListTables"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [for short in ["analytics", "processed"] : var.bucket_arns[short]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["tables/*"]
    }
  }

  statement {
    sid       = "SeeThatRawObjectsExist"
    actions   = ["s3:ListBucketVersions"]
    resources = [var.bucket_arns["raw-data"]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["incoming/*"]
    }
  }

  statement {
    sid     = "ReadEvidence"
    actions = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [
      for path in ["keys/registry.json", "log/*", "provenance/*"] : "${var.bucket_arns["provenance"]}/${path}"
    ]
  }

  # Without it, S3 returns 403 instead of 404 for a missing receipt. GetObject has no s3:prefix.
  statement {
    sid       = "TellAbsentFromDenied"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [var.bucket_arns["provenance"]]
  }

  statement {
    sid       = "ReadContractsAndDeployment"
    actions   = ["s3:GetObject"]
    resources = [for path in ["deployments/*", "glue/quality/*"] : "${var.bucket_arns["artifacts"]}/${path}"]
  }

  statement {
    sid       = "DecryptTablesAndEvidence"
    actions   = ["kms:Decrypt"]
    resources = [var.data_key_arn, var.provenance_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

data "aws_iam_policy_document" "loader_secret" {
  statement {
    sid       = "ReadPrivateKey"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [local.secret_arn]
  }

  statement {
    sid       = "DecryptPrivateKey"
    actions   = ["kms:Decrypt"]
    resources = [module.key.arn]
  }
}

data "aws_iam_policy_document" "loader_alerts" {
  statement {
    sid       = "TellWhatSnowflakeSaysOfLoads"
    actions   = ["sns:Publish"]
    resources = [var.alerts.topic_arn]
  }

  statement {
    sid       = "EncryptMessages"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.alerts.key_arn]
  }
}

module "loader_role" {
  source = "../role"

  account_id   = var.account_id
  boundary_arn = var.boundary_arn
  description  = "Loads gold of ${var.name} into Snowflake"
  name         = "${var.name}-loader"

  # Amazon ECS names no cluster as the source.
  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
  trust = {
    others  = var.run_by == null ? null : { external_id = "${var.name}-loader", principals = var.run_by }
    service = var.run_by == null ? { match = "like", name = "ecs-tasks.amazonaws.com", source_arns = ["arn:${data.aws_partition.current.partition}:ecs:${data.aws_region.current.name}:${var.account_id}:*"] } : null
  }

  policies = {
    read            = data.aws_iam_policy_document.loader.json
    read-secret-key = data.aws_iam_policy_document.loader_secret.json
    tell            = data.aws_iam_policy_document.loader_alerts.json
  }
}

module "key" {
  source = "../key"

  account_id           = var.account_id
  deletion_window_days = var.secret.recovery_days
  description          = "Encrypts the private key with which ${var.name} signs in to Snowflake"
  name                 = "${var.name}-snowflake"
  principals           = var.secret.key_writers
  via_services         = ["secretsmanager"]

  users = {
    LoaderReads = {
      principals = [module.loader_role.arn]
      actions    = ["kms:Decrypt"]
    }
  }
}

# Its value is stored by whoever makes the key pair (docs/warehouse.md), and never appears in Terraform's plans or state.
resource "aws_secretsmanager_secret" "private_key" {
  # checkov:skip=CKV2_AWS_57:The other half of the pair is in Snowflake, which no function here may change: people rotate it, by docs/warehouse.md
  name                    = "${var.name}-snowflake"
  description             = "Private key with which ${var.name} signs in to Snowflake"
  kms_key_id              = module.key.arn
  policy                  = data.aws_iam_policy_document.secret.json
  recovery_window_in_days = var.secret.recovery_days
}

# It grants nothing: the roles' own policies do. It denies all others, whatever their policies say.
data "aws_iam_policy_document" "secret" {
  dynamic "statement" {
    for_each = {
      NobodyElseReads          = { action = "GetSecretValue", principals = ["arn:${data.aws_partition.current.partition}:iam::${var.account_id}:role/${var.name}-loader"] }
      NobodyElseStores         = { action = "PutSecretValue", principals = var.secret.key_writers }
      NobodyElseMovesVersions  = { action = "UpdateSecretVersionStage", principals = var.secret.key_writers }
      NobodyElseDescribesAnew  = { action = "UpdateSecret", principals = var.secret.deployers }
      NobodyCopiesToAnotherOne = { action = "ReplicateSecretToRegions", principals = [] }
    }

    content {
      sid       = statement.key
      effect    = "Deny"
      actions   = ["secretsmanager:${statement.value.action}"]
      resources = [local.secret_arn]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      dynamic "condition" {
        for_each = length(statement.value.principals) == 0 ? [] : [statement.value.principals]

        content {
          test     = "ArnNotLike"
          variable = "aws:PrincipalArn"
          values   = condition.value
        }
      }
    }
  }

  statement {
    sid       = "NobodyWithoutTls"
    effect    = "Deny"
    actions   = ["secretsmanager:*"]
    resources = [local.secret_arn]

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
}
