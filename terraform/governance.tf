# Access to rows and columns through Lake Formation, if the account uses it: tables then need a grant to the role, and IAM
# permissions alone no longer suffice.

locals {
  # The roles of people: created here, or by Identity Center, whose role names are not known beforehand.
  governed_people = (
    var.lake_formation == null ? {} : var.identity_center == null
    ? { for persona in keys(var.people) : persona => module.people_role[persona].arn }
    : var.lake_formation.people
  )

  # The roles that read all tables.
  governed_readers = merge(
    { auditor = module.auditor_role.arn },
    { for arn in local.orchestrator_role_arns : "orchestrator" => arn },
    { for persona, arn in local.governed_people : "people-${persona}" => arn if contains(["auditor", "data-engineer"], persona) },
  )

  # What every reader of tables needs in addition: temporary credentials for the granted rows and columns.
  governed_reading = var.lake_formation == null ? [] : [module.governance[0].reader_policy]
}

# Lake Formation reads gold with this role, for the roles that have a grant.
# https://docs.aws.amazon.com/lake-formation/latest/dg/registration-role.html
data "aws_iam_policy_document" "lake_formation_objects" {
  statement {
    sid       = "ReadGold"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["analytics"]}/tables/*"]
  }

  statement {
    sid       = "ListGold"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns["analytics"]]
  }
}

data "aws_iam_policy_document" "lake_formation_keys" {
  statement {
    sid       = "DecryptGold"
    actions   = ["kms:Decrypt"]
    resources = [module.data_key.arn]
  }
}

module "lake_formation_role" {
  source = "./modules/role"
  count  = var.lake_formation == null ? 0 : 1

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Reads gold of ${local.prefix} for roles that have a Lake Formation grant"
  name         = local.role_names["lake-formation"]

  policies = {
    objects  = data.aws_iam_policy_document.lake_formation_objects.json
    use-keys = data.aws_iam_policy_document.lake_formation_keys.json
  }

  # Lake Formation sends no resource ARN but its own: only account and region can be pinned.
  # https://docs.aws.amazon.com/lake-formation/latest/dg/cross-service-confused-deputy-prevention.html
  trust = {
    service = {
      match       = "like"
      name        = "lakeformation.amazonaws.com"
      source_arns = ["arn:${local.partition}:lakeformation:${var.region}:${var.account_id}:*"]
    }
  }
}

# Limits for the account's administrators, to be applied by the organization's management account (modules/guard_rails).
module "guard_rails" {
  source = "./modules/guard_rails"

  account_id       = var.account_id
  deployers        = var.operators.deploy
  evidence_buckets = [for short in ["provenance", "cloudtrail-log"] : local.bucket_names[short]]
  prefix           = local.prefix
  trail_name       = local.prefix
}

module "governance" {
  source = "./modules/governance"
  count  = var.lake_formation == null ? 0 : 1

  account_id       = var.account_id
  administrators   = var.lake_formation.administrators
  database         = local.database_name
  deployers        = { for arn in var.operators.deploy : basename(arn) => arn if !strcontains(arn, "*") }
  filtered_readers = { for persona, arn in local.governed_people : "people-${persona}" => arn if persona == "analyst" }

  # A filter needs an existing table: so those created here come first.
  tables = { for name, table in var.lake_formation.tables : try(module.delta_table[name].name, name) => table }

  locations = {
    gold = {
      arn      = "${local.bucket_arns["analytics"]}/tables"
      role_arn = module.lake_formation_role[0].ready_arn
    }
  }

  readers = local.governed_readers
}
