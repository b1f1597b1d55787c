# Queries: the tables and views over trail and receipts, and the workgroup that queries them.

locals {
  sql_path = "${path.root}/../sql"

  trail_regions = setunion([var.region, "us-east-1"], var.trail_regions)
  # The trail is not older than the first signing key.
  trail_since = substr(sort([for key in values(var.signing_keys) : key.valid_from])[0], 0, 10)

  # The first comment of a report is the question it answers.
  reports = {
    for file in fileset(local.sql_path, "reports/*.sql") : trimsuffix(basename(file), ".sql") => {
      description = try(regex("^-- (.*)\n", file("${local.sql_path}/${file}"))[0], "")
      sql = templatefile("${local.sql_path}/${file}", {
        raw_data_bucket    = "'${local.bucket_names["raw-data"]}'"
        recorder_role_arns = join(", ", [for role in local.recorder_roles : "'${local.role_arns[role]}'"])
        sealer_role_arn    = "'${local.role_arns["sealer"]}'"
      })
    }
  }
}

module "catalog" {
  source = "./modules/catalog"

  database           = var.lake_formation == null ? local.database_name : module.governance[0].database
  people_role_prefix = "${local.prefix}-people-"
  description        = "The chain of custody of ${local.prefix}: trail, receipts and the ledger that joins them"
  recorded_prefixes  = local.recorded_by_bucket
  sql_path           = local.sql_path
  watermark_minutes  = var.watermark_minutes

  layers = merge({ for adopted in var.adopted_buckets : adopted.bucket => "adopted" }, {
    (local.bucket_names["raw-data"])       = "bronze"
    (local.bucket_names["processed"])      = "silver"
    (local.bucket_names["analytics"])      = "gold"
    (local.bucket_names["provenance"])     = "provenance"
    (local.bucket_names["cloudtrail-log"]) = "audit_log"
  })

  receipts = {
    bucket             = local.bucket_names["provenance"]
    recorder_role_arns = [for role in local.recorder_roles : local.role_arns[role]]
    sealer_role_arn    = local.role_arns["sealer"]
  }

  trail_log = {
    accounts = [var.account_id]
    bucket   = local.bucket_names["cloudtrail-log"]
    folder   = local.trail_root
    regions  = local.trail_regions
    since    = local.trail_since
  }
}

module "athena_results" {
  source = "./modules/bucket"

  access_log_bucket = module.access_logs.name
  force_destroy     = var.force_destroy
  key_arn           = module.data_key.arn
  lifecycle_days    = { noncurrent = var.query.result_days, expiration = var.query.result_days }
  name              = local.bucket_names["athena-results"]
  principals        = local.bucket_principals["athena-results"]
}

module "workgroup" {
  source = "./modules/workgroup"

  account_id       = var.account_id
  alarms           = { failed_per_hour = var.query.failed_per_hour, slow_minutes = var.query.slow_minutes, topic_arn = module.alerts.topic_arn }
  database         = module.catalog.database
  description      = "Questions about the chain of custody of ${local.prefix}"
  force_destroy    = var.force_destroy
  key_arn          = module.data_key.arn
  name             = local.workgroup_name
  queries          = local.reports
  result_bucket    = module.athena_results.name
  scan_limit_bytes = var.query.scan_limit_bytes
}

# To query through the workgroup: the tables' metadata, and the results, which only Athena writes and reads for the caller.
# Nobody may list queries: another user's results can be found only by their id.
# https://docs.aws.amazon.com/athena/latest/ug/workgroups-iam-policy.html
data "aws_iam_policy_document" "query" {
  source_policy_documents = local.governed_reading

  statement {
    sid = "QueryInTheWorkgroup"
    actions = [
      "athena:GetQueryExecution",
      "athena:GetQueryResults",
      "athena:GetWorkGroup",
      "athena:StartQueryExecution",
      "athena:StopQueryExecution",
    ]
    resources = [local.workgroup_arn]
  }

  statement {
    sid       = "ReadCatalog"
    actions   = ["glue:GetDatabase", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable", "glue:GetTables"]
    resources = local.catalog_arns
  }

  statement {
    sid = "KeepResults"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:GetObject",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = ["${local.bucket_arns["athena-results"]}/results/*"]

    condition {
      test     = "ForAnyValue:StringEquals"
      variable = "aws:CalledVia"
      values   = ["athena.amazonaws.com"]
    }
  }

  statement {
    sid       = "FindResults"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [local.bucket_arns["athena-results"]]

    condition {
      test     = "ForAnyValue:StringEquals"
      variable = "aws:CalledVia"
      values   = ["athena.amazonaws.com"]
    }
  }
}

# People may also list saved queries and browse the names of tables.
# https://docs.aws.amazon.com/athena/latest/ug/datacatalogs-example-policies.html
data "aws_iam_policy_document" "people_query" {
  source_policy_documents = [data.aws_iam_policy_document.query.json]

  statement {
    sid       = "FindSavedQueries"
    actions   = ["athena:BatchGetNamedQuery", "athena:GetNamedQuery", "athena:ListNamedQueries"]
    resources = [local.workgroup_arn]
  }

  statement {
    sid = "BrowseTables"
    actions = [
      "athena:GetDataCatalog",
      "athena:GetTableMetadata",
      "athena:ListDatabases",
      "athena:ListTableMetadata",
    ]
    resources = ["arn:${local.partition}:athena:${var.region}:${var.account_id}:datacatalog/AwsDataCatalog"]
  }

  # Athena lists databases with the caller's permissions.
  statement {
    sid       = "ListDatabases"
    actions   = ["glue:GetDatabases"]
    resources = local.catalog_arns
  }
}
