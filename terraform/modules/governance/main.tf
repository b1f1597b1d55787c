# Access to rows and columns, controlled by Lake Formation and no longer by IAM alone.
# https://docs.aws.amazon.com/lake-formation/latest/dg/change-settings.html

# No default permissions: a new database or table needs a grant. The defaults name IAMAllowedPrincipals, which is everybody
# whom IAM allows.
resource "aws_lakeformation_data_lake_settings" "this" {
  admins = var.administrators
}

resource "aws_lakeformation_resource" "this" {
  for_each = var.locations

  arn      = each.value.arn
  role_arn = each.value.role_arn

  depends_on = [aws_lakeformation_data_lake_settings.this]
}

# Deployers create the database and its tables at their locations, and cannot read them.
resource "aws_lakeformation_permissions" "deploy_database" {
  for_each = var.deployers

  permissions = ["ALTER", "CREATE_TABLE", "DESCRIBE", "DROP"]
  principal   = each.value

  database {
    catalog_id = var.account_id
    name       = var.database
  }

  depends_on = [aws_lakeformation_data_lake_settings.this]
}

resource "aws_lakeformation_permissions" "deploy_tables" {
  for_each = var.deployers

  permissions = ["ALTER", "DESCRIBE", "DROP"]
  principal   = each.value

  table {
    catalog_id    = var.account_id
    database_name = var.database
    wildcard      = true
  }

  depends_on = [aws_lakeformation_data_lake_settings.this]
}

resource "aws_lakeformation_permissions" "deploy_to" {
  for_each = {
    for pair in setproduct(keys(var.locations), keys(var.deployers)) : "${pair[1]}/${pair[0]}" => { location = pair[0], deployer = pair[1] }
  }

  permissions = ["DATA_LOCATION_ACCESS"]
  principal   = var.deployers[each.value.deployer]

  data_location {
    arn        = aws_lakeformation_resource.this[each.value.location].arn
    catalog_id = var.account_id
  }
}

# A reader of a table needs DESCRIBE on its database.
resource "aws_lakeformation_permissions" "database" {
  for_each = merge(var.filtered_readers, var.readers, var.writers)

  permissions = ["DESCRIBE"]
  principal   = each.value

  database {
    catalog_id = var.account_id
    name       = var.database
  }

  depends_on = [aws_lakeformation_data_lake_settings.this]
}

resource "aws_lakeformation_permissions" "read" {
  for_each = var.readers

  permissions = ["DESCRIBE", "SELECT"]
  principal   = each.value

  table {
    catalog_id    = var.account_id
    database_name = var.database
    wildcard      = true
  }

  depends_on = [aws_lakeformation_data_lake_settings.this]
}

resource "aws_lakeformation_permissions" "write" {
  for_each = var.writers

  permissions = ["ALTER", "DESCRIBE", "INSERT", "SELECT"]
  principal   = each.value

  table {
    catalog_id    = var.account_id
    database_name = var.database
    wildcard      = true
  }

  depends_on = [aws_lakeformation_data_lake_settings.this]
}

# https://docs.aws.amazon.com/lake-formation/latest/dg/data-filters-about.html
resource "aws_lakeformation_data_cells_filter" "this" {
  for_each = var.tables

  table_data {
    database_name    = var.database
    name             = local.filter_name
    table_catalog_id = var.account_id
    table_name       = each.key

    column_wildcard {
      excluded_column_names = each.value.excluded_columns
    }

    row_filter {
      filter_expression = each.value.row_filter

      dynamic "all_rows_wildcard" {
        for_each = each.value.row_filter == null ? [true] : []
        content {}
      }
    }
  }

  depends_on = [aws_lakeformation_data_lake_settings.this]
}

locals {
  filter_name = "permitted"

  filtered_reads = merge([
    for short, principal in var.filtered_readers : {
      for table in keys(var.tables) : "${short}/${table}" => { principal = principal, table = table }
    }
  ]...)
}

resource "aws_lakeformation_permissions" "read_filtered" {
  for_each = local.filtered_reads

  permissions = ["SELECT"]
  principal   = each.value.principal

  data_cells_filter {
    database_name    = var.database
    name             = local.filter_name
    table_catalog_id = var.account_id
    table_name       = each.value.table
  }

  depends_on = [aws_lakeformation_data_cells_filter.this]
}

# Lake Formation gives the engine temporary credentials for the granted data. The action has no resource-level permissions.
data "aws_iam_policy_document" "reader" {
  statement {
    sid       = "ReadWhatLakeFormationGrants"
    actions   = ["lakeformation:GetDataAccess"]
    resources = ["*"]
  }
}
