data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  signs = var.purpose == "sign"
  root  = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:root"
  via = {
    for service in var.via_services :
    service => "${service}.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"
  }
  # Services that use the key under a grant given by the creator of their resource: Lambda for a function's environment,
  # Firehose for buffered records, Amazon MWAA for all that an environment keeps. Firehose never uses it with the caller's own
  # permissions.
  via_grants = { for service in ["airflow", "firehose", "lambda"] : service => local.via[service] if contains(var.via_services, service) }
  via_uses   = [for service, name in local.via : name if service != "firehose"]
}

# https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
data "aws_iam_policy_document" "this" {
  # checkov:skip=CKV_AWS_109:A key policy applies to its own key; the resource has no other form there
  # checkov:skip=CKV_AWS_111:A key policy applies to its own key; the resource has no other form there
  # checkov:skip=CKV_AWS_356:A key policy applies to its own key; the resource has no other form there

  # The account administers the key, so that it cannot become unmanageable. Administration does not include using the key: no
  # encryption, no signing, and no kms:CreateGrant, with which an administrator could get either.
  statement {
    sid = "AccountAdministers"
    actions = [
      "kms:CancelKeyDeletion",
      "kms:CreateAlias",
      "kms:DeleteAlias",
      "kms:DescribeKey",
      "kms:DisableKey",
      "kms:DisableKeyRotation",
      "kms:EnableKey",
      "kms:EnableKeyRotation",
      "kms:GetKeyLastUsage",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:GetPublicKey",
      "kms:ListGrants",
      "kms:ListKeyPolicies",
      "kms:ListKeyRotations",
      "kms:ListResourceTags",
      "kms:PutKeyPolicy",
      "kms:RevokeGrant",
      "kms:RotateKeyOnDemand",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateAlias",
      "kms:UpdateKeyDescription",
    ]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [local.root]
    }
  }

  dynamic "statement" {
    for_each = length(var.principals) > 0 && length(local.via_uses) > 0 ? [var.principals] : []

    content {
      sid       = "PrincipalsUseThroughServices"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncrypt*"]
      resources = ["*"]

      principals {
        type        = "AWS"
        identifiers = [local.root]
      }

      condition {
        test     = "ArnLike"
        variable = "aws:PrincipalArn"
        values   = statement.value
      }

      condition {
        test     = "StringEquals"
        variable = "kms:CallerAccount"
        values   = [var.account_id]
      }

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.via_uses
      }
    }
  }

  dynamic "statement" {
    for_each = length(var.principals) > 0 ? local.via_grants : {}

    content {
      sid       = "PrincipalsGrantTo${title(statement.key)}"
      actions   = ["kms:CreateGrant"]
      resources = ["*"]

      principals {
        type        = "AWS"
        identifiers = [local.root]
      }

      condition {
        test     = "ArnLike"
        variable = "aws:PrincipalArn"
        values   = var.principals
      }

      condition {
        test     = "Bool"
        variable = "kms:GrantIsForAWSResource"
        values   = ["true"]
      }

      condition {
        test     = "StringEquals"
        variable = "kms:CallerAccount"
        values   = [var.account_id]
      }

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = [statement.value]
      }
    }
  }

  # By a condition, since a policy cannot name a role that does not exist yet.
  dynamic "statement" {
    for_each = var.guests

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = ["*"]

      principals {
        type        = "AWS"
        identifiers = sort(distinct([for arn in statement.value.role_arns : "arn:${data.aws_partition.current.partition}:iam::${split(":", arn)[4]}:root"]))
      }

      condition {
        test     = "ArnLike"
        variable = "aws:PrincipalArn"
        values   = statement.value.role_arns
      }

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = local.via_uses
      }
    }
  }

  dynamic "statement" {
    for_each = var.users

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = ["*"]

      dynamic "principals" {
        for_each = {
          for type, identifiers in {
            AWS     = [for principal in statement.value.principals : principal if startswith(principal, "arn:")]
            Service = [for principal in statement.value.principals : principal if !startswith(principal, "arn:")]
          } : type => identifiers if length(identifiers) > 0
        }

        content {
          type        = principals.key
          identifiers = principals.value
        }
      }

      # With via_services, a role uses the key only through these services and not directly.
      dynamic "condition" {
        for_each = length(local.via) > 0 && anytrue([for principal in statement.value.principals : startswith(principal, "arn:")]) ? [values(local.via)] : []

        content {
          test     = "StringEquals"
          variable = "kms:ViaService"
          values   = condition.value
        }
      }

      dynamic "condition" {
        for_each = statement.value.conditions

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }
}

resource "aws_kms_key" "this" {
  description              = var.description
  key_usage                = local.signs ? "SIGN_VERIFY" : "ENCRYPT_DECRYPT"
  customer_master_key_spec = local.signs ? "ECC_NIST_P256" : "SYMMETRIC_DEFAULT"
  enable_key_rotation      = !local.signs
  deletion_window_in_days  = var.deletion_window_days
  policy                   = data.aws_iam_policy_document.this.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}
