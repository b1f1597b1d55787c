# The tables that the jobs make, from the contracts of the data sets that are deployed: as the catalogue knows them, their
# columns are the contracts', and those that the jobs add.

locals {
  # A relative folder is one of the repository.
  dataset_folders = [for folder in var.datasets : "${startswith(folder, "/") ? "" : "${path.root}/../"}${folder}"]

  # The contracts' files without their suffix, and the same by data set and by table.
  contract_paths = flatten([
    for folder in local.dataset_folders : [for file in fileset(folder, "{gold,silver}/*.yaml") : "${folder}/${trimsuffix(file, ".yaml")}"]
  ])
  datasets = {
    for name, folders in { for folder in local.dataset_folders : basename(folder) => folder... } :
    name => sort([
      for path in local.contract_paths : basename(path)
      if contains(flatten([for folder in folders : ["${folder}/gold", "${folder}/silver"]]), trimsuffix(path, "/${basename(path)}"))
    ])
  }
  contract_paths_by_table = { for path in local.contract_paths : basename(path) => path... }
  contracts               = { for table, paths in local.contract_paths_by_table : table => yamldecode(file("${paths[0]}.yaml")) }

  silver_tables   = { for table, contract in local.contracts : table => contract.source.prefix if can(contract.source) }
  streamed_tables = [for table in keys(local.silver_tables) : table if try(local.contracts[table].source.from, "files") == "stream"]
  gold_tables     = { for table, contract in local.contracts : table => [for input in contract.inputs : input.table] if !can(contract.source) }

  # What makes a gold table: the file beside its contract, by the field that the jobs get it in.
  makers = {
    for table in keys(local.gold_tables) : table => {
      for field, path in { for field, suffix in { python = "py", sql = "sql" } : field => "${local.contract_paths_by_table[table][0]}.${suffix}" } :
      field => file(path) if fileexists(path)
    }
  }

  # What the gate takes only with a receipt: what arrives for tables, the tables' documents, and decisions about them.
  read_by_gate = concat(
    [for prefix in values(local.silver_tables) : { bucket = "raw-data", prefix = prefix }],
    [for place in ["analytics/tables/", "processed/decisions/", "processed/tables/"] : { bucket = split("/", place)[0], prefix = "${split("/", place)[1]}/" } if local.has_tables],
  )

  # Without a table there is nothing to let through, to run, or to stream.
  has_tables  = length(local.contracts) > 0
  has_streams = length(local.streamed_tables) > 0
}

# A contract in the words of Glue Data Quality. ColumnValues fails on NULL, hence a where on what may be absent; between
# excludes its ends, hence two rules for a range. The ratio of rejected rows is an object's, and how far a time is from its
# delivery a row's: they have no rule here. https://docs.aws.amazon.com/glue/latest/dg/dqdl.html
locals {
  rulesets = {
    for table, contract in local.contracts : table => "Rules = [\n${join(",\n", formatlist("    %s", concat(
      ["IsPrimaryKey ${join(" ", formatlist("\"%s\"", contract.key))}"],
      flatten([
        for column in contract.columns : [
          for where in [try(column.required, false) ? "" : " where \"${column.name} is not null\""] : concat(
            where == "" ? ["IsComplete \"${column.name}\""] : [],
            [for pattern in try([column.pattern], []) : "ColumnValues \"${column.name}\" matches \"^(${pattern})$\"${where}"],
            [for allowed in try([column.allowed], []) : "ColumnValues \"${column.name}\" in [ ${join(", ", formatlist("\"%s\"", allowed))} ]${where}"],
            [
              for bound in concat([for minimum in try([column.minimum], []) : [">=", minimum]], [for maximum in try([column.maximum], []) : ["<=", maximum]]) :
              "ColumnValues \"${column.name}\" ${bound[0]} ${column.type == "date" ? "\"${bound[1]}\"" : bound[1]}${where}"
            ],
            [for length in try([column.max_length], []) : "ColumnLength \"${column.name}\" <= ${length}${where}"],
          )
        ]
      ]),
      [
        for check in try(contract.checks, []) :
        check.kind == "row_count" ? "RowCount >= ${check.at_least}" : "Completeness \"${check.column}\" >= ${check.at_least}"
        if check.kind != "rejected_ratio"
      ],
    )))}\n]\n"
  }
}

locals {
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

  # A contract's types as Hive types, also within arrays and structs; the name of a struct's field ends in a colon.
  hive_types = {
    for type in distinct(flatten([for contract in local.contracts : contract.columns[*].type])) :
    type => replace(replace(type, "/\\binteger([,>]|$)/", "bigint$1"), "/\\bdecimal([,>]|$)/", "decimal(18,2)$1")
  }

  contract_columns = {
    for table, contract in local.contracts : table => concat(
      [for day in [try(contract.day, null)] : { name = day.column, type = "date", comment = "The UTC day of ${day.of}." } if day != null],
      [
        for column in contract.columns :
        { name = column.name, type = local.hive_types[column.type], comment = column.meaning }
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
