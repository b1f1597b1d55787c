mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  database    = "custody_test"
  description = "What a test has"
  sql_path    = "tests/sql"

  people_role_prefix = "custody-test-people-"

  layers = {
    "custody-test-raw-data"   = "bronze"
    "custody-test-processed"  = "silver"
    "custody-test-provenance" = "provenance"
  }

  receipts = {
    bucket             = "custody-test-provenance"
    recorder_role_arns = ["arn:aws:iam::123456789012:role/custody-test-recorder"]
    sealer_role_arn    = "arn:aws:iam::123456789012:role/custody-test-sealer"
  }

  recorded_prefixes = {
    "custody-test-processed" = [""]
    "custody-test-raw-data"  = ["incoming/", "o'brien/"]
  }

  trail_log = {
    accounts = ["123456789012"]
    bucket   = "custody-test-cloudtrail-log"
    regions  = ["us-east-1", "eu-central-1"]
    since    = "2026-01-31"
  }

  watermark_minutes = 60
}

run "makes_tables_and_views_of_the_sql" {
  assert {
    condition = [
      for column in aws_glue_catalog_table.table["events"].storage_descriptor[0].columns : [column.name, column.type]
      ] == [
      ["id", "string"],
      ["who", "struct<name:string,session:struct<role:string,attributes:map<string,string>>>"],
      ["resources", "array<struct<arn:string>>"],
      ["size", "bigint"],
    ]
    error_message = "Columns are those of the statement, nested fields on one line, types as Glue writes them."
  }

  assert {
    condition     = [for key in aws_glue_catalog_table.table["events"].partition_keys : [key.name, key.type]] == [["region", "string"], ["day", "string"]]
    error_message = "Partition keys are those of the statement."
  }

  assert {
    condition = aws_glue_catalog_table.table["events"].parameters == tomap({
      EXTERNAL                    = "TRUE"
      "projection.enabled"        = "true"
      "projection.region.values"  = "eu-central-1,us-east-1"
      "projection.day.range"      = "2026/01/31,NOW"
      "storage.location.template" = "s3://custody-test-cloudtrail-log/$${region}/$${day}"
    })
    error_message = "Properties are those of the statement, with Athena's own placeholders left in."
  }

  assert {
    condition = (
      aws_glue_catalog_table.table["events"].storage_descriptor[0].location == "s3://custody-test-cloudtrail-log/"
      && aws_glue_catalog_table.table["events"].storage_descriptor[0].input_format == "org.example.Input"
      && aws_glue_catalog_table.table["events"].storage_descriptor[0].output_format == "org.example.Output"
      && aws_glue_catalog_table.table["events"].storage_descriptor[0].ser_de_info[0].serialization_library == "org.example.SerDe"
      && aws_glue_catalog_table.table["events"].storage_descriptor[0].ser_de_info[0].parameters == tomap({ "ignore.malformed.json" = "true" })
    )
    error_message = "Place and format are those of the statement."
  }

  assert {
    condition     = aws_glue_catalog_table.table["events"].description == "What happened?" && aws_glue_catalog_table.table["events"].table_type == "EXTERNAL_TABLE"
    error_message = "The description is the first comment."
  }
  assert {
    condition = (
      aws_glue_catalog_table.view["who"].table_type == "VIRTUAL_VIEW"
      && aws_glue_catalog_table.view["who"].parameters == tomap({ comment = "Presto View", presto_view = "true" })
      && aws_glue_catalog_table.view["who"].view_expanded_text == "/* Presto View */"
    )
    error_message = "Athena knows a view by these."
  }

  assert {
    condition = [
      for column in aws_glue_catalog_table.view["who"].storage_descriptor[0].columns : [column.name, column.type]
    ] == [["name", "string"], ["at", "timestamp"], ["size", "bigint"]]
    error_message = "A view's columns are those of its header, in Glue's types."
  }

  assert {
    condition = jsondecode(base64decode(trimsuffix(trimprefix(aws_glue_catalog_table.view["who"].view_original_text, "/* Presto View: "), " */"))).columns == [
      { name = "name", type = "varchar" },
      { name = "at", type = "timestamp(3)" },
      { name = "size", type = "bigint" },
    ]
    error_message = "The view's text has the columns in Athena's types."
  }

  assert {
    condition = endswith(
      jsondecode(base64decode(trimsuffix(trimprefix(aws_glue_catalog_table.view["who"].view_original_text, "/* Presto View: "), " */"))).originalSql,
      <<-EOT
      SELECT
          CASE bucket_name WHEN 'custody-test-processed' THEN 'silver' WHEN 'custody-test-provenance' THEN 'provenance' WHEN 'custody-test-raw-data' THEN 'bronze' ELSE 'unknown' END AS name
      FROM events
      WHERE
          (bucket_name = 'custody-test-processed' AND starts_with(object_key, '')) OR (bucket_name = 'custody-test-raw-data' AND starts_with(object_key, 'incoming/')) OR (bucket_name = 'custody-test-raw-data' AND starts_with(object_key, 'o''brien/'))
          AND role IN ('arn:aws:iam::123456789012:role/custody-test-recorder')
          AND age < INTERVAL '60' MINUTE
      EOT
    )
    error_message = "Placeholders become SQL, with the quotes in literals doubled."
  }

  assert {
    condition     = output.database == "custody_test" && aws_glue_catalog_database.this.name == "custody_test"
    error_message = "The database has the given name."
  }
}

run "records_nothing_where_nothing_is_recorded" {
  command = plan

  variables {
    recorded_prefixes = {}
  }

  assert {
    condition     = local.placeholders.is_recorded == "false"
    error_message = "Without prefixes, nothing is recorded."
  }
}

run "refuses_files_it_finds_no_columns_in" {
  command = plan

  variables {
    sql_path = "tests/without-columns"
  }

  expect_failures = [aws_glue_catalog_table.table, aws_glue_catalog_table.view]
}

# A run takes seconds: each of the following tests as many refusals as possible at once, one wrong value per variable.

run "refuses_what_is_not_there" {
  command = plan

  variables {
    database           = "custody-test"
    description        = ""
    people_role_prefix = "custody.*"
    recorded_prefixes  = { "custody-test-provenance" = ["provenance/"] }
    sql_path           = "tests"
    watermark_minutes  = -1

    receipts = {
      bucket             = "custody-test-raw-data"
      recorder_role_arns = ["arn:aws:iam::123456789012:role/custody-test-recorder"]
      sealer_role_arn    = "arn:aws:iam::123456789012:role/custody-test-sealer"
    }

    trail_log = {
      accounts = []
      bucket   = "custody-test-cloudtrail-log"
      regions  = ["eu-central-1"]
      since    = "2026-01-31"
    }
  }

  expect_failures = [
    var.database,
    var.description,
    var.people_role_prefix,
    var.receipts,
    var.recorded_prefixes,
    var.sql_path,
    var.trail_log,
    var.watermark_minutes,
  ]
}

run "refuses_a_recorder_by_pattern_a_bucket_without_prefix_and_a_day_that_never_was" {
  command = plan

  variables {
    recorded_prefixes = { "custody-test-raw-data" = [] }

    receipts = {
      bucket             = "custody-test-provenance"
      recorder_role_arns = ["arn:aws:iam::123456789012:role/*"]
      sealer_role_arn    = "arn:aws:iam::123456789012:role/*"
    }

    trail_log = {
      accounts = ["123456789012"]
      bucket   = "custody-test-cloudtrail-log"
      regions  = ["eu-central-1"]
      since    = "2026-02-31"
    }
  }

  expect_failures = [var.receipts, var.recorded_prefixes, var.trail_log]
}

run "refuses_an_unknown_layer_and_a_log_of_no_region" {
  command = plan

  variables {
    layers = {
      "custody-test-raw-data"   = "bronze"
      "custody-test-processed"  = "copper"
      "custody-test-provenance" = "provenance"
    }

    trail_log = {
      accounts = ["123456789012"]
      bucket   = "custody-test-cloudtrail-log"
      regions  = []
      since    = "2026-01-31"
    }
  }

  expect_failures = [var.layers, var.trail_log]
}
