# A secret that nobody wrote and hardly anybody reads: its value is made and renewed by its rotator, and Terraform, its
# state and its plans never see it.

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  # Secrets Manager ends the name in an ARN with six characters at random.
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

# It gives nothing: the roles' own policies do. It refuses everybody else, whatever theirs say.
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

  # It changes description and key; and could a value, which whoever may change this policy could too.
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

  # A copy in another region would be under another key and policy.
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
