mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id       = "123456789012"
  administrators   = ["arn:aws:iam::123456789012:role/administrator"]
  database         = "custody_test"
  deployers        = { apply = "arn:aws:iam::123456789012:role/custody-test-apply" }
  filtered_readers = { analyst = "arn:aws:iam::123456789012:role/custody-test-people-analyst" }
  readers          = { auditor = "arn:aws:iam::123456789012:role/custody-test-people-auditor" }
  writers          = { etl = "arn:aws:iam::123456789012:role/custody-test-etl" }

  locations = {
    gold = {
      arn      = "arn:aws:s3:::custody-test-analytics-123456789012/tables"
      role_arn = "arn:aws:iam::123456789012:role/custody-test-lake-formation"
    }
  }

  tables = {
    devices = { excluded_columns = ["email", "first_name", "last_name"], row_filter = "country = 'DE'" }
    orders  = { excluded_columns = ["email"] }
  }
}

run "opens_nothing_by_default" {
  assert {
    condition     = length(aws_lakeformation_data_lake_settings.this.create_database_default_permissions) == 0 && length(aws_lakeformation_data_lake_settings.this.create_table_default_permissions) == 0
    error_message = "A new database or table has no default permissions: IAMAllowedPrincipals is removed."
  }

  assert {
    condition     = aws_lakeformation_data_lake_settings.this.admins == toset(["arn:aws:iam::123456789012:role/administrator"])
    error_message = "Administrators are named."
  }

  assert {
    condition     = { for short, location in aws_lakeformation_resource.this : location.arn => location.role_arn } == { "arn:aws:s3:::custody-test-analytics-123456789012/tables" = "arn:aws:iam::123456789012:role/custody-test-lake-formation" }
    error_message = "Lake Formation reads the location by a role."
  }

  assert {
    condition     = output.database == "custody_test"
    error_message = "The database's name waits for the settings."
  }
}

run "filters_rows_and_columns" {
  assert {
    condition = { for table, filter in aws_lakeformation_data_cells_filter.this : table => filter.table_data[0].column_wildcard[0].excluded_column_names } == {
      devices = tolist(["email", "first_name", "last_name"])
      orders  = tolist(["email"])
    } && aws_lakeformation_data_cells_filter.this["devices"].table_data[0].row_filter[0].filter_expression == "country = 'DE'"
    error_message = "Columns that tell who somebody is are left out, and rows where a condition says so."
  }

  assert {
    condition     = length(aws_lakeformation_data_cells_filter.this["devices"].table_data[0].row_filter[0].all_rows_wildcard) == 0 && length(aws_lakeformation_data_cells_filter.this["orders"].table_data[0].row_filter[0].all_rows_wildcard) == 1
    error_message = "All rows only where no condition is given."
  }
}

run "grants_by_name" {
  assert {
    condition = { for label, grant in aws_lakeformation_permissions.read_filtered : label => {
      principal   = grant.principal
      permissions = grant.permissions
      filter      = "${grant.data_cells_filter[0].database_name}.${grant.data_cells_filter[0].table_name}/${grant.data_cells_filter[0].name}"
      } } == {
      "analyst/devices" = {
        principal   = "arn:aws:iam::123456789012:role/custody-test-people-analyst"
        permissions = toset(["SELECT"])
        filter      = "custody_test.devices/permitted"
      }
      "analyst/orders" = {
        principal   = "arn:aws:iam::123456789012:role/custody-test-people-analyst"
        permissions = toset(["SELECT"])
        filter      = "custody_test.orders/permitted"
      }
    }
    error_message = "An analyst reads through the filters."
  }

  assert {
    condition = [
      for grant in concat(values(aws_lakeformation_permissions.read), values(aws_lakeformation_permissions.write), values(aws_lakeformation_permissions.deploy_tables)) :
      grant.principal if contains(grant.permissions, "SELECT") && grant.table[0].wildcard
    ] == ["arn:aws:iam::123456789012:role/custody-test-people-auditor", "arn:aws:iam::123456789012:role/custody-test-etl"]
    error_message = "Readers and writers read whole tables, analysts and deployers do not."
  }

  assert {
    condition     = aws_lakeformation_permissions.write["etl"].permissions == toset(["ALTER", "DESCRIBE", "INSERT", "SELECT"])
    error_message = "A writer inserts; it drops nothing."
  }

  assert {
    condition     = aws_lakeformation_permissions.deploy_database["apply"].permissions == toset(["ALTER", "CREATE_TABLE", "DESCRIBE", "DROP"]) && aws_lakeformation_permissions.deploy_to["apply/gold"].permissions == toset(["DATA_LOCATION_ACCESS"])
    error_message = "Deployers create tables at the locations."
  }

  assert {
    condition = alltrue([
      for grant in flatten([for every in [
        aws_lakeformation_permissions.database, aws_lakeformation_permissions.deploy_database, aws_lakeformation_permissions.deploy_tables,
        aws_lakeformation_permissions.deploy_to, aws_lakeformation_permissions.read, aws_lakeformation_permissions.read_filtered, aws_lakeformation_permissions.write,
      ] : values(every)]) : try(length(grant.permissions_with_grant_option), 0) == 0
    ])
    error_message = "Nobody can grant permissions to others."
  }
}

run "asks_for_data_access" {
  assert {
    condition     = [for s in data.aws_iam_policy_document.reader.statement : tolist(s.actions)] == [tolist(["lakeformation:GetDataAccess"])]
    error_message = "Readers may only get credentials from Lake Formation."
  }
}

# A run takes seconds: each of the following tests as many refusals as possible at once, one wrong value per variable.

run "refuses_what_is_not_there" {
  command = plan
  variables {
    account_id       = "<your-account-id>"
    administrators   = []
    database         = "custody-test"
    deployers        = { apply = "apply" }
    filtered_readers = { analyst = "analyst" }
    locations        = {}
    tables           = { devices = {} }
    writers          = { etl = "arn:aws:iam::123456789012:role/*" }
  }
  expect_failures = [
    var.account_id, var.administrators, var.database, var.deployers, var.filtered_readers, var.locations, var.tables,
    var.writers,
  ]
}

run "refuses_everybody" {
  command = plan
  variables {
    administrators = ["arn:aws:iam::123456789012:root"]
    locations      = { gold = { arn = "custody-test-analytics", role_arn = "arn:aws:iam::123456789012:role/custody-test-lake-formation" } }
    readers        = { auditor = "arn:aws:iam::123456789012:root" }
    tables         = { "devices;" = { excluded_columns = ["email"] } }
  }
  expect_failures = [var.administrators, var.locations, var.readers, var.tables]
}

run "refuses_a_filter_for_who_reads_all_and_a_condition_that_is_none" {
  command = plan
  variables {
    readers = { analyst = "arn:aws:iam::123456789012:role/custody-test-people-analyst" }
    tables  = { devices = { row_filter = " " } }
  }
  expect_failures = [var.readers, var.tables]
}
