# Who reads which rows and columns, where the account lets Lake Formation decide it: tables then open to grants by name
# and no longer to whom IAM lets in.

locals {
  # The roles of people: those made here, or by Identity Center, whose names nobody knows beforehand.
  governed_people = (
    var.lake_formation == null ? {} : var.identity_center == null
    ? { for persona in keys(var.people) : persona => module.people_role[persona].arn }
    : var.lake_formation.people
  )

  # What whoever reads tables needs besides: credentials for the rows and columns that are granted.
  governed_reading = var.lake_formation == null ? [] : [module.governance[0].reader_policy]
}

# Lake Formation reads gold by this role, for whoever was granted it.
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
  description  = "Reads gold of ${local.prefix} for whom Lake Formation grants it"
  name         = local.role_names["lake-formation"]

  policies = {
    objects  = data.aws_iam_policy_document.lake_formation_objects.json
    use-keys = data.aws_iam_policy_document.lake_formation_keys.json
  }

  # It names no resource but itself: the account and region are all there is to pin.
  # https://docs.aws.amazon.com/lake-formation/latest/dg/cross-service-confused-deputy-prevention.html
  trust = {
    service = {
      match       = "like"
      name        = "lakeformation.amazonaws.com"
      source_arns = ["arn:${local.partition}:lakeformation:${var.region}:${var.account_id}:*"]
    }
  }
}

module "governance" {
  source = "./modules/governance"
  count  = var.lake_formation == null ? 0 : 1

  account_id       = var.account_id
  administrators   = var.lake_formation.administrators
  database         = local.database_name
  deployers        = { for arn in var.operators.deploy : basename(arn) => arn if !strcontains(arn, "*") }
  filtered_readers = { for persona, arn in local.governed_people : "people-${persona}" => arn if persona == "analyst" }

  # A filter is of a table that is there: of those made here, once they are.
  tables = { for name, table in var.lake_formation.tables : try(module.delta_table[name].name, name) => table }

  locations = {
    gold = {
      arn      = "${local.bucket_arns["analytics"]}/tables"
      role_arn = module.lake_formation_role[0].ready_arn
    }
  }

  readers = merge(
    { auditor = module.auditor_role.arn },
    { for persona, arn in local.governed_people : "people-${persona}" => arn if contains(["auditor", "data-engineer"], persona) },
  )
}
