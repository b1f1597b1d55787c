# The SQL files are parsed by their fixed format: the first comment is the question that the file answers; a table has one
# column per line, indented by four spaces, its nested fields by more; a view has a line "-- @column <name> <type>" for each
# column.
locals {
  # As SQL literals: 'text', with each quote in it doubled.
  bucket_literals = { for bucket in keys(merge(var.layers, var.recorded_prefixes)) : bucket => "'${replace(bucket, "'", "''")}'" }

  placeholders = {
    ledger_since = var.trail_log.since
    is_recorded = length(var.recorded_prefixes) == 0 ? "false" : join(" OR ", flatten([
      for bucket, prefixes in var.recorded_prefixes : [
        for prefix in prefixes :
        "(bucket_name = ${local.bucket_literals[bucket]} AND starts_with(object_key, '${replace(prefix, "'", "''")}'))"
      ]
    ]))
    layer = "CASE bucket_name ${join(" ", [
      for bucket, layer in var.layers : "WHEN ${local.bucket_literals[bucket]} THEN '${layer}'"
    ])} ELSE 'unknown' END"
    people_session         = "':assumed-role/(?:AWSReservedSSO_|${var.people_role_prefix})[^/]+/(.+)$'"
    provenance_bucket      = var.receipts.bucket
    sealer_role_arn        = "'${var.receipts.sealer_role_arn}'"
    recorder_role_arns     = join(", ", [for arn in var.receipts.recorder_role_arns : "'${arn}'"])
    trail_accounts         = join(",", sort(var.trail_log.accounts))
    trail_account_literals = join(", ", [for account in sort(var.trail_log.accounts) : "'${account}'"])
    trail_bucket           = var.trail_log.bucket
    trail_regions          = join(",", sort(var.trail_log.regions))
    trail_root             = var.trail_log.folder
    trail_since            = replace(var.trail_log.since, "-", "/")
    watermark_minutes      = var.watermark_minutes
  }

  table_texts = {
    for file in fileset(var.sql_path, "tables/*.sql") :
    trimsuffix(basename(file), ".sql") => templatefile("${var.sql_path}/${file}", local.placeholders)
  }

  view_texts = {
    for file in fileset(var.sql_path, "views/*.sql") :
    trimsuffix(basename(file), ".sql") => templatefile("${var.sql_path}/${file}", local.placeholders)
  }

  # The lists in brackets after these words of a table's statement, with the lines of a column's nested fields joined.
  table_lists = {
    for name, text in local.table_texts : name => {
      for list, words in {
        columns          = "CREATE EXTERNAL TABLE ${name}"
        partition_keys   = "PARTITIONED BY"
        serde_properties = "WITH SERDEPROPERTIES"
        properties       = "TBLPROPERTIES"
      } : list => replace(try(regex("(?s)\n${words} \\(\n(.*?)\n\\)\n", text)[0], ""), "/\n {4}(?: +|(>))/", "$1")
    }
  }

  tables = {
    for name, lists in local.table_lists : name => merge(
      {
        question      = regex("^-- (.*)\n", local.table_texts[name])[0]
        serde         = regex("\nROW FORMAT SERDE '([^']+)'\n", local.table_texts[name])[0]
        input_format  = regex("\nSTORED AS INPUTFORMAT '([^']+)'\n", local.table_texts[name])[0]
        output_format = regex("\nOUTPUTFORMAT '([^']+)'\n", local.table_texts[name])[0]
        location      = regex("\nLOCATION '([^']+)'\n", local.table_texts[name])[0]
      },
      {
        for list in ["columns", "partition_keys"] : list => [
          for field in regexall("(?m)^ {4}(\\w+) (.+?),?$", lists[list]) :
          { name = field[0], type = lower(replace(field[1], " ", "")) }
        ]
      },
      {
        for list in ["serde_properties", "properties"] : list => {
          for pair in regexall("'([^']+)' = '([^']*)'", lists[list]) : pair[0] => pair[1]
        }
      },
    )
  }

  views = {
    for name, text in local.view_texts : name => {
      question = regex("^-- (.*)\n", text)[0]
      columns  = [for column in regexall("(?m)^-- @column (\\w+) (\\w+)$", text) : { name = column[0], type = column[1] }]
      sql      = text
    }
  }

  # A type in the views' headers, and its names in the Glue Data Catalog and in the view's own text.
  types = {
    bigint    = { hive = "bigint", presto = "bigint" }
    boolean   = { hive = "boolean", presto = "boolean" }
    date      = { hive = "date", presto = "date" }
    timestamp = { hive = "timestamp", presto = "timestamp(3)" }
    varchar   = { hive = "string", presto = "varchar" }
  }
}
