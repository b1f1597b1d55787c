# The roles that plan and apply: assumed by workflows of one repository, each in an environment of its own, with GitHub's OIDC
# tokens. There is no long-lived key. https://docs.github.com/actions/security-for-github-actions/security-hardening-your-deployments

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github.provider_arn == null ? 1 : 0

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

# Built from its name: a role may trust a provider that does not exist yet, and the trust policy is known at plan.
locals {
  provider_arn = (
    var.github.provider_arn != null ? var.github.provider_arn : "${local.iam}:oidc-provider/token.actions.githubusercontent.com"
  )
}

module "plan_role" {
  source = "../modules/role"

  account_id          = var.account_id
  boundary_arn        = module.boundary["ci"].arn
  managed_policy_arns = { limits = local.more_policy_arns["limits"], read = local.read_policy_arn, read-parts = local.more_policy_arns["read-parts"] }
  description         = "Plans ${local.prefix}: reads the deployed resources and locks the state"
  name                = local.role_names["plan"]

  policies = {
    read-state = data.aws_iam_policy_document.read_state.json
  }

  trust = {
    github = {
      environments = ["${var.environment}-plan"]
      provider_arn = local.provider_arn
      repository   = var.github.repository
    }
  }
}

module "apply_role" {
  source = "../modules/role"

  account_id   = var.account_id
  boundary_arn = module.boundary["ci"].arn
  description  = "Applies saved plans of ${local.prefix}"
  name         = local.role_names["apply"]

  managed_policy_arns = merge(local.more_policy_arns, { read = local.read_policy_arn })

  policies = {
    change-functions = data.aws_iam_policy_document.change_functions.json
    change-keys      = data.aws_iam_policy_document.change_keys.json
    change-queries   = data.aws_iam_policy_document.change_queries.json
    change-roles     = data.aws_iam_policy_document.change_roles.json
    change-storage   = data.aws_iam_policy_document.change_storage.json
    read-state       = data.aws_iam_policy_document.read_state.json
    write-state      = data.aws_iam_policy_document.write_state.json
  }

  trust = {
    github = {
      environments = [var.environment]
      provider_arn = local.provider_arn
      repository   = var.github.repository
    }
  }
}
