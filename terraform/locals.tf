# Every name and ARN of the kit, built from the inputs alone. Policies name principals and resources by these, so
# that what they say is known at plan and no policy waits for another's resource.

data "aws_partition" "current" {}

locals {
  partition  = data.aws_partition.current.partition
  dns_suffix = data.aws_partition.current.dns_suffix
  prefix     = "${var.name}-${var.environment}"

  # Buckets by short name. A bucket's name is unique in the world: the account id makes it so.
  bucket_names = {
    for short in [
      "access-logs",
      "analytics",
      "artifacts",
      "athena-results",
      "cloudtrail-log",
      "processed",
      "provenance",
      "raw-data",
    ] : short => "${local.prefix}-${short}-${var.account_id}"
  }
  bucket_arns = { for short, name in local.bucket_names : short => "arn:${local.partition}:s3:::${name}" }

  # What may hold recorded objects, and what of it does.
  lake              = toset(["analytics", "processed", "raw-data"])
  recorded_prefixes = { for short in local.lake : short => lookup(var.recorded_prefixes, short, []) }

  role_names = { for short in ["recorder", "trail-logs"] : short => "${local.prefix}-${short}" }
  role_arns = {
    for short, name in local.role_names : short => "arn:${local.partition}:iam::${var.account_id}:role/${name}"
  }

  function_names = { for short in ["recorder"] : short => "${local.prefix}-${short}" }
  function_arns = {
    for short, name in local.function_names :
    short => "arn:${local.partition}:lambda:${var.region}:${var.account_id}:function:${name}"
  }

  queue_names = { for short in ["recorder", "recorder-dlq"] : short => "${local.prefix}-${short}" }
  queue_arns = {
    for short, name in local.queue_names :
    short => "arn:${local.partition}:sqs:${var.region}:${var.account_id}:${name}"
  }

  log_group_names = {
    recorder = "/aws/lambda/${local.function_names["recorder"]}"
    trail    = "/aws/cloudtrail/${local.prefix}"
  }
  log_group_arns = {
    for short, name in local.log_group_names :
    short => "arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:${name}"
  }

  trail_name = local.prefix
  trail_arn  = "arn:${local.partition}:cloudtrail:${var.region}:${var.account_id}:trail/${local.trail_name}"

  workgroup_name = local.prefix
  database_name  = replace("${var.name}_${var.environment}", "-", "_")
}
