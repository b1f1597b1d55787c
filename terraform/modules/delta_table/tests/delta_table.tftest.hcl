mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  database    = "custody_test"
  description = "One row a customer."
  location    = "s3://custody-test-processed-123456789012/tables/devices"
  name        = "devices"

  columns = [
    { name = "customer_id", type = "string", comment = "The customer's number." },
    { name = "total_spent_usd", type = "decimal(18,2)", comment = "Spent so far." },
  ]
}

run "is_read_as_delta" {
  command = plan

  assert {
    condition = (
      aws_glue_catalog_table.this.parameters["spark.sql.sources.provider"] == "delta"
      && aws_glue_catalog_table.this.parameters["table_type"] == "DELTA"
      && aws_glue_catalog_table.this.table_type == "EXTERNAL_TABLE"
      && aws_glue_catalog_table.this.storage_descriptor[0].location == var.location
      && aws_glue_catalog_table.this.storage_descriptor[0].ser_de_info[0].parameters["path"] == var.location
    )
    error_message = "Athena and Spark find the table's log where the catalogue says, and read it as Delta."
  }

  assert {
    condition = [
      for column in aws_glue_catalog_table.this.storage_descriptor[0].columns : [column.name, column.type, column.comment]
      ] == [
      ["customer_id", "string", "The customer's number."],
      ["total_spent_usd", "decimal(18,2)", "Spent so far."],
    ]
    error_message = "The table has the given columns, in order, with their meaning."
  }

  assert {
    condition     = length(aws_glue_catalog_table.this.partition_keys) == 0
    error_message = "The table's log knows its partitions, and the catalogue none."
  }
}

run "refuses_what_is_not_there" {
  command = plan

  variables {
    columns     = [{ name = "Id", type = "int", comment = "" }]
    database    = "custody-test"
    description = ""
    location    = "s3://custody-test-processed-123456789012/tables/devices/"
    name        = "Customers"
  }

  expect_failures = [var.columns, var.database, var.description, var.location, var.name]
}

run "refuses_a_column_twice" {
  command = plan

  variables {
    columns = [
      { name = "id", type = "string", comment = "Once." },
      { name = "id", type = "string", comment = "Twice." },
    ]
  }

  expect_failures = [var.columns]
}
