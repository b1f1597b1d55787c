# The tables and views, created from the SQL files: columns are defined only there.

resource "aws_glue_catalog_database" "this" {
  name        = var.database
  description = var.description
}

resource "aws_glue_catalog_table" "table" {
  for_each = local.tables

  database_name = aws_glue_catalog_database.this.name
  name          = each.key
  description   = each.value.question
  table_type    = "EXTERNAL_TABLE"
  parameters    = merge({ EXTERNAL = "TRUE" }, each.value.properties)

  dynamic "partition_keys" {
    for_each = each.value.partition_keys

    content {
      name = partition_keys.value.name
      type = partition_keys.value.type
    }
  }

  storage_descriptor {
    location      = each.value.location
    input_format  = each.value.input_format
    output_format = each.value.output_format

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name = columns.value.name
        type = columns.value.type
      }
    }

    ser_de_info {
      serialization_library = each.value.serde
      parameters            = each.value.serde_properties
    }
  }

  lifecycle {
    precondition {
      condition     = length(each.value.columns) > 0
      error_message = "No columns were found in tables/${each.key}.sql: write one column per line, indented by four spaces, after CREATE EXTERNAL TABLE ${each.key} (."
    }
  }
}

# Athena has no API to create a view: a view is a Glue table whose text is the statement and its columns in JSON, as Athena
# itself writes it. https://docs.aws.amazon.com/athena/latest/ug/views.html
resource "aws_glue_catalog_table" "view" {
  for_each = local.views

  database_name      = aws_glue_catalog_database.this.name
  name               = each.key
  description        = each.value.question
  table_type         = "VIRTUAL_VIEW"
  parameters         = { comment = "Presto View", presto_view = "true" }
  view_expanded_text = "/* Presto View */"
  view_original_text = "/* Presto View: ${base64encode(jsonencode({
    catalog     = "awsdatacatalog"
    schema      = var.database
    originalSql = each.value.sql
    columns     = [for column in each.value.columns : { name = column.name, type = local.types[column.type].presto }]
  }))} */"

  storage_descriptor {
    dynamic "columns" {
      for_each = each.value.columns

      content {
        name = columns.value.name
        type = local.types[columns.value.type].hive
      }
    }

    # Nothing reads it, but it is required, and an empty one would show up as a change in every plan.
    ser_de_info {
      name                  = "-"
      serialization_library = "-"
    }
  }

  lifecycle {
    precondition {
      condition     = length(each.value.columns) > 0
      error_message = "No columns were found in views/${each.key}.sql: write a line '-- @column <name> <type>' for each column."
    }
  }
}
