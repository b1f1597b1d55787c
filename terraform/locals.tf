# Every name and ARN of the kit, built from the inputs alone. Policies name principals and resources by these, so that they
# are known at plan and no policy depends on another's resource.

data "aws_partition" "current" {}

locals {
  partition  = data.aws_partition.current.partition
  dns_suffix = data.aws_partition.current.dns_suffix
  prefix     = "${var.name}-${var.environment}"

  # Buckets by short name. Bucket names are globally unique: the account ID makes them so.
  own_bucket_names = {
    for short in [
      "access-logs",
      "airflow",
      "analytics",
      "artifacts",
      "athena-results",
      "cloudtrail-log",
      "processed",
      "provenance",
      "raw-data",
    ] : short => "${local.prefix}-${short}-${var.account_id}" if(short != "cloudtrail-log" || local.has_own_trail) && (short != "airflow" || var.orchestrator != null)
  }
  bucket_names    = merge(local.own_bucket_names, { for trail in var.existing_trail[*] : "cloudtrail-log" => trail.bucket })
  bucket_arns     = { for short, name in local.bucket_names : short => "arn:${local.partition}:s3:::${name}" }
  own_bucket_arns = { for short in keys(local.own_bucket_names) : short => local.bucket_arns[short] }

  # In the artifacts bucket: what custody reads of this deployment.
  deployment_key = "deployments/${local.prefix}.json"
  # There too: the reports of the job that hashes objects again.
  verifications_prefix = "verifications/"
  # And the auditor's state, what it knows of anomalies (custody.ledger.auditor).
  anomalies_key = "anomalies/known.json"

  # Buckets that may hold recorded objects, and the prefixes that are recorded.
  lake              = toset(["analytics", "processed", "raw-data"])
  recorded_prefixes = { for short in local.lake : short => lookup(var.recorded_prefixes, short, []) }

  # The same by the bucket's name, with the adopted ones.
  recorded_by_bucket = merge(
    { for adopted in var.adopted_buckets : adopted.bucket => adopted.prefixes },
    { for short, prefixes in local.recorded_prefixes : local.bucket_names[short] => prefixes if length(prefixes) > 0 },
  )

  service_roles = concat(
    ["auditor", "recorder", "sealer"],
    local.has_own_trail ? ["trail-logs"] : [],
    local.has_tables ? ["etl", "gate"] : [],
    local.has_streams ? ["ingest"] : [],
    var.evidence_copy == null ? [] : ["evidence-copy"],
    var.large_objects == null ? [] : ["hasher", "hasher-execution", "hasher-start"],
    var.lake_formation == null ? [] : ["lake-formation"],
    var.network == null ? [] : ["flow-logs"],
    var.orchestrator == null ? [] : ["orchestrator"],
    var.snowflake == null ? [] : ["loader", "snowflake"],
    !local.has_loader ? [] : concat(["loader-execution"], var.orchestrator == null ? ["loader-start"] : []),
    var.verify_objects == null ? [] : ["verifier"],
    var.warehouse == null ? [] : ["rotator"],
  )
  role_names = merge(
    { for short in local.service_roles : short => "${local.prefix}-${short}" },
    { for persona in local.personas : "people-${persona}" => "${local.prefix}-people-${persona}" },
  )
  role_arns = {
    for short, name in local.role_names : short => "arn:${local.partition}:iam::${var.account_id}:role/${name}"
  }

  function_names = { for short in ["auditor", "gate", "recorder", "rotator", "sealer"] : short => "${local.prefix}-${short}" }
  function_arns = {
    for short, name in local.function_names :
    short => "arn:${local.partition}:lambda:${var.region}:${var.account_id}:function:${name}"
  }

  queue_names = {
    for short in concat(var.large_objects == null ? [] : ["hasher", "hasher-dlq"], ["recorder", "recorder-dlq", "sealer", "sealer-dlq"]) :
    short => "${local.prefix}-${short}"
  }
  queue_arns = {
    for short, name in local.queue_names :
    short => "arn:${local.partition}:sqs:${var.region}:${var.account_id}:${name}"
  }

  # Who makes receipts: the recorder, and the task for what is too large for it.
  recorder_roles = concat(["recorder"], var.large_objects == null ? [] : ["hasher"])

  topic_arn = "arn:${local.partition}:sns:${var.region}:${var.account_id}:${local.prefix}-alerts"

  # Streams by short name, and the table that each is for.
  stream_tables = { for table in local.streamed_tables : replace(table, "_", "-") => table }
  stream_names  = { for short in keys(local.stream_tables) : short => "${local.prefix}-${short}" }
  stream_arns = {
    for short, name in local.stream_names :
    short => "arn:${local.partition}:firehose:${var.region}:${var.account_id}:deliverystream/${name}"
  }

  log_group_names = merge(
    { for short, name in local.function_names : short => "/aws/lambda/${name}" },
    { for short, name in local.stream_names : short => "/aws/kinesisfirehose/${name}" },
    { for short in ["error", "output"] : "jobs-${short}" => "/aws-glue/jobs/${local.prefix}-jobs-role/${local.prefix}-etl/${short}" },
    { for short in ["error", "output"] : "verifier-${short}" => "/aws-glue/jobs/${local.prefix}-jobs-role/${local.prefix}-verifier/${short}" },
    {
      flow-logs = "/aws/vpc/${local.network_name}"
      hasher    = "/aws/ecs/${local.prefix}-hasher"
      loader    = "/aws/ecs/${local.loader_name}"
      trail     = "/aws/cloudtrail/${local.prefix}"
    },
  )
  log_group_arns = {
    for short, name in local.log_group_names :
    short => "arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:${name}"
  }

  # Namespace of the functions' own metrics: an account may have several deployments.
  metrics_namespace = "Custody/${local.prefix}"

  trail_name = local.prefix
  trail_arn  = local.has_own_trail ? "arn:${local.partition}:cloudtrail:${var.region}:${var.account_id}:trail/${local.trail_name}" : var.existing_trail.arn

  # The trail through which EventBridge receives management write events.
  management_trail_arn = var.management_trail_arn == null ? local.trail_arn : var.management_trail_arn

  workgroup_name = local.prefix
  workgroup_arn  = "arn:${local.partition}:athena:${var.region}:${var.account_id}:workgroup/${local.workgroup_name}"
  database_name  = replace("${var.name}_${var.environment}", "-", "_")
  catalog_arns = [
    for resource in ["catalog", "database/${local.database_name}", "table/${local.database_name}/*"] :
    "arn:${local.partition}:glue:${var.region}:${var.account_id}:${resource}"
  ]
}
