# The tables that the jobs write, for the Data Catalog: their columns are those of the contracts (glue/quality) and those that
# the jobs add.

locals {
  # A contract's types as Hive types.
  column_types = {
    boolean   = "boolean"
    date      = "date"
    decimal   = "decimal(18,2)"
    integer   = "bigint"
    string    = "string"
    timestamp = "timestamp"
  }

  # Where a row comes from, in each table that is made from raw objects.
  source_columns = [
    { name = "source_bucket", type = "string", comment = "Bucket of the object that the row came from." },
    { name = "source_key", type = "string", comment = "Key of the object that the row came from." },
    { name = "source_version_id", type = "string", comment = "Version of the object that the row came from." },
    { name = "source_row", type = "bigint", comment = "The row's number in the object, from 1." },
  ]
  added_columns = {
    extra        = { name = "extra", type = "string", comment = "JSON of the fields that are not in the contract." }
    manifest_id  = { name = "manifest_id", type = "string", comment = "SHA-256 of the manifest that delivered the row." }
    reason       = { name = "reason", type = "string", comment = "Every rule the row breaks." }
    source_order = { name = "source_order", type = "string", comment = "The row's place in the order of deliveries." }
    unreadable   = { name = "unreadable", type = "string", comment = "What was there instead of a record, its first 1,000 characters." }
  }

  contract_columns = {
    for table, contract in local.contracts : table => concat(
      [for day in [try(contract.day, null)] : { name = day.column, type = "date", comment = "The UTC day of ${day.of}." } if day != null],
      [
        for column in contract.columns :
        { name = column.name, type = local.column_types[column.type], comment = column.meaning }
      ],
    )
  }

  delta_tables = merge(
    # Silver, from raw objects.
    {
      for table, contract in local.contracts : table => {
        bucket      = "processed"
        description = contract.meaning
        columns = concat(
          local.contract_columns[table],
          [local.added_columns.extra],
          local.source_columns,
          [local.added_columns.source_order, local.added_columns.manifest_id],
        )
      } if can(contract.source)
    },
    # Quarantine: the fields as they were delivered.
    {
      for table, contract in local.contracts : "${table}_rejected" => {
        bucket      = "processed"
        description = "Rows that are not valid, as they were delivered. ${contract.meaning}"
        columns = concat(
          local.source_columns,
          [local.added_columns.reason],
          [for column in contract.columns : { name = column.name, type = "string", comment = column.meaning }],
          [local.added_columns.extra, local.added_columns.unreadable, local.added_columns.manifest_id],
        )
      } if can(contract.source)
    },
    # Gold, from silver.
    {
      for table, contract in local.contracts : table => {
        bucket      = "analytics"
        description = contract.meaning
        columns     = local.contract_columns[table]
      } if !can(contract.source)
    },
  )
}

module "delta_table" {
  source   = "./modules/delta_table"
  for_each = local.delta_tables

  columns     = each.value.columns
  database    = module.catalog.database
  description = each.value.description
  location    = "s3://${local.bucket_names[each.value.bucket]}/tables/${each.key}"
  name        = each.key
}
