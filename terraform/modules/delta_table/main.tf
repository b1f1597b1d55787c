# The catalog entry of a Delta table that Spark writes: Athena reads the schema from the table's own log at its location;
# everything else (Lake Formation, SHOW, people) reads it here. The two must be the same.
# https://docs.aws.amazon.com/athena/latest/ug/delta-lake-tables-syncing-metadata.html
resource "aws_glue_catalog_table" "this" {
  database_name = var.database
  name          = var.name
  description   = var.description
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL                     = "TRUE"
    "spark.sql.sources.provider" = "delta"
    table_type                   = "DELTA"
  }

  # Partition columns are columns like the others: the partitions are in the table's log, not in the catalog.
  storage_descriptor {
    location      = var.location
    input_format  = "org.apache.hadoop.mapred.SequenceFileInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat"

    dynamic "columns" {
      for_each = var.columns

      content {
        name    = columns.value.name
        type    = columns.value.type
        comment = columns.value.comment
      }
    }

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
      parameters            = { path = var.location, "serialization.format" = "1" }
    }
  }
}
