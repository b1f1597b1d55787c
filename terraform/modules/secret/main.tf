# A secret whose value only its rotator creates and rotates: it never appears in Terraform's plans or state.

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # Secrets Manager adds six random characters to the name in the ARN.
  arn_pattern = "arn:${data.aws_partition.current.partition}:secretsmanager:${data.aws_region.current.name}:${var.account_id}:secret:${var.name}-??????"
}

module "key" {
  source = "../key"

  account_id           = var.account_id
  deletion_window_days = var.recovery_days
  description          = "Encrypts ${var.name}: ${var.description}"
  name                 = var.name
  via_services         = ["secretsmanager"]

  users = merge(
    {
      RotatorRenews = {
        principals = [var.rotator_role_arn]
        actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
      }
    },
    length(var.readers) == 0 ? {} : {
      ReadersRead = {
        principals = var.readers
        actions    = ["kms:Decrypt"]
      }
    },
  )
}

resource "aws_secretsmanager_secret" "this" {
  name                    = var.name
  description             = var.description
  kms_key_id              = module.key.arn
  policy                  = data.aws_iam_policy_document.this.json
  recovery_window_in_days = var.recovery_days
}

# The resource policy grants nothing: the roles' own policies do. It denies all others, whatever their policies say.
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_resource-policies.html
data "aws_iam_policy_document" "this" {
  statement {
    sid       = "NobodyElseReads"
    effect    = "Deny"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [local.arn_pattern]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = setunion(var.readers, [var.rotator_role_arn])
    }
  }

  statement {
    sid       = "NobodyElseRenews"
    effect    = "Deny"
    actions   = ["secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"]
    resources = [local.arn_pattern]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = [var.rotator_role_arn]
    }
  }

  # UpdateSecret changes description and key, and could change the value too; but so could anyone who may change this policy.
  statement {
    sid       = "NobodyElseDescribesAnew"
    effect    = "Deny"
    actions   = ["secretsmanager:UpdateSecret"]
    resources = [local.arn_pattern]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = var.deployers
    }
  }

  # A replica in another Region would have another key and policy.
  statement {
    sid       = "NobodyCopies"
    effect    = "Deny"
    actions   = ["secretsmanager:ReplicateSecretToRegions"]
    resources = [local.arn_pattern]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "NobodyWithoutTls"
    effect    = "Deny"
    actions   = ["secretsmanager:*"]
    resources = [local.arn_pattern]

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
