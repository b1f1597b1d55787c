data "aws_partition" "current" {}

locals {
  github_host = "token.actions.githubusercontent.com"

  tests = {
    exact   = { account = "StringEquals", arn = "ArnEquals" }
    if-sent = { account = "StringEqualsIfExists", arn = "ArnEqualsIfExists" }
    like    = { account = "StringEquals", arn = "ArnLike" }
  }
}

# https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
data "aws_iam_policy_document" "trust" {
  dynamic "statement" {
    for_each = var.trust.service == null ? [] : [var.trust.service]

    content {
      sid     = "ServiceActsForItsResource"
      actions = ["sts:AssumeRole"]

      principals {
        type        = "Service"
        identifiers = compact([statement.value.name, statement.value.also])
      }

      condition {
        test     = local.tests[statement.value.match].account
        variable = "aws:SourceAccount"
        values   = [var.account_id]
      }

      condition {
        test     = local.tests[statement.value.match].arn
        variable = "aws:SourceArn"
        values   = statement.value.source_arns
      }
    }
  }

  # The session name must be the user name: otherwise the trail would show a name that the user chose freely.
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#ck_rolesessionname
  dynamic "statement" {
    for_each = var.trust.people == null ? [] : [var.trust.people]

    content {
      sid     = "PeopleSignedInWithMfa"
      actions = ["sts:AssumeRole"]

      principals {
        type        = "AWS"
        identifiers = statement.value.principals
      }

      condition {
        test     = "Bool"
        variable = "aws:MultiFactorAuthPresent"
        values   = ["true"]
      }

      condition {
        test     = "NumericLessThan"
        variable = "aws:MultiFactorAuthAge"
        values   = [statement.value.mfa_max_age_seconds]
      }

      condition {
        test     = "StringEquals"
        variable = "sts:RoleSessionName"
        values   = ["&{aws:username}"]
      }
    }
  }

  # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html
  dynamic "statement" {
    for_each = var.trust.others == null ? [] : [var.trust.others]

    content {
      sid     = "OthersAssume"
      actions = ["sts:AssumeRole"]

      principals {
        type        = "AWS"
        identifiers = statement.value.principals
      }

      condition {
        test     = "StringEquals"
        variable = "sts:ExternalId"
        values   = [statement.value.external_id]
      }
    }
  }

  # https://docs.github.com/en/actions/security-for-github-actions/security-hardening-your-deployments/about-security-hardening-with-openid-connect
  dynamic "statement" {
    for_each = var.trust.github == null ? [] : [var.trust.github]

    content {
      sid     = "WorkflowsOfTheEnvironment"
      actions = ["sts:AssumeRoleWithWebIdentity"]

      principals {
        type        = "Federated"
        identifiers = [statement.value.provider_arn]
      }

      condition {
        test     = "StringEquals"
        variable = "${local.github_host}:aud"
        values   = ["sts.amazonaws.com"]
      }

      condition {
        test     = "StringEquals"
        variable = "${local.github_host}:sub"
        values   = [for environment in statement.value.environments : "repo:${statement.value.repository}:environment:${environment}"]
      }
    }
  }
}

resource "aws_iam_role" "this" {
  name                 = var.name
  description          = var.description
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 3600 * var.session_hours
  permissions_boundary = var.boundary_arn
}

resource "aws_iam_role_policy" "this" {
  for_each = var.policies

  name   = each.key
  role   = aws_iam_role.this.name
  policy = each.value
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = var.managed_policy_arns

  role       = aws_iam_role.this.name
  policy_arn = each.value
}

# Terraform removes every policy that is not defined here.
resource "aws_iam_role_policies_exclusive" "this" {
  role_name    = aws_iam_role.this.name
  policy_names = [for policy in aws_iam_role_policy.this : policy.name]
}

resource "aws_iam_role_policy_attachments_exclusive" "this" {
  role_name   = aws_iam_role.this.name
  policy_arns = [for attachment in aws_iam_role_policy_attachment.this : attachment.policy_arn]
}
