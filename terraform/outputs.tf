output "account_id" {
  description = "ID of the AWS account."
  value       = var.account_id
}

output "buckets" {
  description = "Bucket names by short name."
  value       = local.bucket_names
}

output "database" {
  description = "Name of the Glue database."
  value       = local.database_name
}

output "functions" {
  description = "Function ARNs by short name."
  value       = merge({ recorder = module.recorder.arn }, local.has_tables ? { gate = module.gate[0].arn } : {})
}

output "jobs" {
  description = "Names of the Glue jobs by short name."
  value       = local.has_tables ? module.jobs[0].names : {}
}

output "keys" {
  description = "Key ARNs by short name. signing is the current signing key."
  value = merge(
    {
      alerts     = module.alerts.key_arn
      data       = module.data_key.arn
      provenance = module.provenance_key.arn
      signing    = module.signing_key[var.signing_key].arn
      trail      = module.trail_key.arn
    },
    local.has_streams ? { stream = module.stream_key[0].arn } : {},
  )
}

output "management_trail_arn" {
  description = "ARN of the trail that logs the account's management write events: trail_arn, unless another trail does."
  value       = local.management_trail_arn
}

output "queues" {
  description = "Queue URLs by short name."
  value = {
    recorder       = module.recorder.queue_url
    "recorder-dlq" = module.recorder.dead_letter_queue_url
  }
}

output "recorded_prefixes" {
  description = "What must have a receipt: key prefixes by bucket name."
  value       = { for short, prefixes in local.recorded_prefixes : local.bucket_names[short] => prefixes if length(prefixes) > 0 }
}

output "region" {
  description = "AWS Region of the deployment."
  value       = var.region
}

output "roles" {
  description = "Role ARNs by short name; those of people as people-<persona>, if there are any."
  value = {
    for short, arn in local.role_arns : short => arn
    if !startswith(short, "people-") || contains(keys(module.people_role), trimprefix(short, "people-"))
  }
}

output "sources" {
  description = "For each table that jobs make from raw objects: their prefix in the raw-data bucket, and their format."
  value = {
    for table in keys(local.silver_tables) :
    table => { format = local.contracts[table].source.format, prefix = local.contracts[table].source.prefix }
  }
}

output "streams" {
  description = "Names of the Firehose streams by short name."
  value       = { for short, stream in module.stream : short => stream.name }

  precondition {
    condition     = var.stream.parquet == null || length(local.streamed_tables) < 2
    error_message = "stream.parquet is by the columns of one Glue table, and datasets has ${length(local.streamed_tables)} streams: leave it out."
  }
}

output "tables" {
  description = "The tables that jobs make, and for each the tables it is made from: none for one of raw objects."
  value       = merge({ for table in keys(local.silver_tables) : table => [] }, local.gold_tables)

  # The gate's environment (4 KB) has 1 KB of other settings, the policies of a role (10,240 characters) 5 KB of other statements,
  # and the trust policy of the streams' role (2048 characters) some of its own.
  precondition {
    condition = (
      length(local.packed_tables) <= 3000
      && length(jsonencode(values(local.job_arns))) <= 5000
      && length(jsonencode(values(local.stream_arns))) <= 1700
    )
    error_message = "datasets has ${length(local.contracts)} tables, which are too many for one deployment: it holds about 50, and 20 streams, fewer if their names are long. Deploy some of the data sets as another deployment."
  }
}

output "topic_arn" {
  description = "ARN of the topic that alarms publish to."
  value       = module.alerts.topic_arn
}

output "trail_arn" {
  description = "ARN of the trail."
  value       = local.trail_arn
}

output "watermark_minutes" {
  description = "Minutes until a missing receipt or trail event is a finding."
  value       = var.watermark_minutes
}

output "workgroup" {
  description = "Name of the Athena workgroup."
  value       = local.workgroup_name
}
