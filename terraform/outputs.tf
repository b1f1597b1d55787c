# What custody reads of a deployment: an output each, and all in one file for those who may not read the state.
locals {
  deployed_roles = {
    for short, arn in local.role_arns : short => arn
    if !startswith(short, "people-") || contains(keys(module.people_role), trimprefix(short, "people-"))
  }

  # The wheel's, which has it from src/custody/__init__.py.
  kit_version = regex("^custody-(.+)-py3-none-any[.]whl$", one(fileset("${path.root}/../build/dist", "*.whl")))[0]

  deployment = {
    account_id    = var.account_id
    adopted_since = { for adopted in var.adopted_buckets : adopted.bucket => adopted.since }
    buckets       = local.bucket_names
    database      = local.database_name
    datasets      = local.datasets
    deployer_arns = var.operators.deploy
    evidence_copy = var.evidence_copy == null ? {} : { bucket = var.evidence_copy.bucket, region = local.copy.region }
    evidence_days = var.retention.evidence_days
    # Empty: the trail is the deployment's own.
    existing_trail_folder = local.has_own_trail ? "" : local.trail_folder
    expected_files        = var.expected_files
    functions             = merge({ auditor = module.auditor.arn, recorder = module.recorder.arn, sealer = module.sealer.arn }, local.has_tables ? { gate = module.gate[0].arn } : {})
    jobs                  = local.has_tables ? { for short, name in module.jobs[0].names : short => name if !contains(keys(local.verifier_jobs), short) } : {}
    keys = merge(
      {
        alerts     = module.alerts.key_arn
        data       = module.data_key.arn
        log        = module.log_key[var.signing_key].arn
        provenance = module.provenance_key.arn
        signing    = module.signing_key[var.signing_key].arn
      },
      { for arn in local.trail_key_arns : "trail" => arn },
      local.has_streams ? { stream = module.stream_key[0].arn } : {},
    )
    kit_version          = local.kit_version
    ledger_since         = local.trail_since
    loader_network       = local.has_loader ? { for kind, ids in var.snowflake.task.network : kind => sort(ids) } : {}
    log_origin           = local.log_origin
    management_trail_arn = local.management_trail_arn
    monitoring_urls      = local.monitoring_urls
    noncurrent_days      = var.retention.noncurrent_days
    queues = merge({
      recorder       = module.recorder.queue_url
      "recorder-dlq" = module.recorder.dead_letter_queue_url
      sealer         = module.sealer.queue_url
      "sealer-dlq"   = module.sealer.dead_letter_queue_url
    }, [for hasher in module.hasher : { hasher = hasher.queue_url, "hasher-dlq" = hasher.dead_letter_queue_url }]...)
    recorded_prefixes = local.recorded_by_bucket
    region            = var.region
    roles             = local.deployed_roles
    signing_keys = concat(
      flatten([
        for label, key in var.signing_keys : [
          for signs, arn in { log = module.log_key[label].arn, receipts = module.signing_key[label].arn } : {
            arn                   = arn
            revoked_at            = key.revoked_at == null ? "" : key.revoked_at
            signs                 = signs
            valid_from            = key.valid_from
            valid_until           = key.valid_until == null ? "" : key.valid_until
          }
        ]
      ]),
      [
        for signer in values(var.log_signers) : {
          arn         = signer.key_arn
          revoked_at  = signer.revoked_at == null ? "" : signer.revoked_at
          signs       = "log"
          valid_from  = signer.valid_from
          valid_until = signer.valid_until == null ? "" : signer.valid_until
        }
      ],
    )
    snowflake = local.snowflake
    sources = {
      for table in keys(local.silver_tables) :
      table => { format = local.contracts[table].source.format, prefix = local.contracts[table].source.prefix }
    }
    streams           = { for short, stream in module.stream : short => stream.name }
    tables            = merge({ for table in keys(local.silver_tables) : table => [] }, local.gold_tables)
    topic_arn         = module.alerts.topic_arn
    trail_arn         = local.trail_arn
    trusted_networks  = var.trusted_networks
    watermark_minutes = var.watermark_minutes
    witnesses         = { for label, witness in var.witnesses : label => witness.key }
    workgroup         = local.workgroup_name
  }
}

resource "aws_s3_object" "deployment" {
  bucket             = module.artifacts.name
  key                = local.deployment_key
  content            = jsonencode(local.deployment)
  content_type       = "application/json"
  checksum_algorithm = "SHA256"
}

output "account_id" {
  description = "ID of the AWS account."
  value       = local.deployment.account_id
}

output "adopted_bucket_statements" {
  description = "For each adopted bucket, by its short name, what its owner adds: a bucket policy's statements, those of its key's policy (null: it has no key), and its notification configuration's part."
  value = {
    for short, adopted in var.adopted_buckets : short => {
      bucket_policy = data.aws_iam_policy_document.adopted_bucket[short].json
      key_policy    = try(data.aws_iam_policy_document.adopted_key[short].json, null)
      notification  = jsonencode({ EventBridgeConfiguration = {} })
    }
  }
}

output "adopted_since" {
  description = "Since when each adopted bucket is recorded, by its name."
  value       = local.deployment.adopted_since
}

output "buckets" {
  description = "Bucket names by short name."
  value       = local.deployment.buckets
}

output "control_policies" {
  description = "A service and a resource control policy that limit the account's administrators, as JSON: for the organization's management account."
  value = {
    resource = module.guard_rails.resource_control_policy
    service  = module.guard_rails.service_control_policy
  }
}

output "database" {
  description = "Name of the Glue database."
  value       = local.deployment.database
}

output "datasets" {
  description = "The tables of each data set that is deployed, by the name of its folder."
  value       = local.deployment.datasets
}

output "deployer_arns" {
  description = "ARNs of the roles and users that apply this, or patterns of them."
  value       = local.deployment.deployer_arns
}

output "deployment_uri" {
  description = "S3 URI of the file with what custody reads of the deployment, for its users: custody deployments add."
  value       = "s3://${aws_s3_object.deployment.bucket}/${aws_s3_object.deployment.key}"
}

output "evidence_copy" {
  description = "Bucket and Region of the second copy of the evidence; empty: there is none."
  value       = local.deployment.evidence_copy
}

output "evidence_days" {
  description = "Days for which evidence is locked; superseded versions of it are then deleted."
  value       = local.deployment.evidence_days
}

output "existing_trail_folder" {
  description = "Where this account's files lie in the bucket of existing_trail; empty, if the trail is the deployment's own."
  value       = local.deployment.existing_trail_folder
}

output "existing_trail_owner" {
  description = "What the owner of existing_trail adds, if there is one: statements of its bucket's policy, those of its key's policy (null: it has no key), and the event selectors that it must have, as JSON."
  value = {
    for trail in var.existing_trail[*] : trail.arn => {
      bucket_policy   = data.aws_iam_policy_document.existing_trail_bucket[0].json
      event_selectors = module.trail.event_selectors
      key_policy      = one([for document in data.aws_iam_policy_document.existing_trail_key : document.json])
    }
  }
}

output "expected_files" {
  description = "Prefixes of raw files that are expected regularly, and the hours within which one must come."
  value       = local.deployment.expected_files
}

output "functions" {
  description = "Function ARNs by short name."
  value       = local.deployment.functions
}

output "jobs" {
  description = "Names of the Glue jobs by short name."
  value       = local.deployment.jobs
}

output "keys" {
  description = "Key ARNs by short name. signing is the current key for receipts, log that for checkpoints."
  value       = local.deployment.keys
}

output "kit_version" {
  description = "The version of the kit that is deployed."
  value       = local.deployment.kit_version
}

output "ledger_since" {
  description = "First day of the ledger (YYYY-MM-DD): the trail is not older."
  value       = local.deployment.ledger_since
}

output "loader_network" {
  description = "Where whoever starts the loader's task has it run, if there is one: security_group_ids and subnet_ids. Its cluster, its definition and its container are named <prefix>-loader."
  value       = local.deployment.loader_network
}

output "log_origin" {
  description = "Name of the log of receipts: the origin in its checkpoints."
  value       = local.deployment.log_origin
}

output "management_trail_arn" {
  description = "ARN of the trail that logs the account's management write events: trail_arn, unless another trail does."
  value       = local.deployment.management_trail_arn
}

output "monitoring_urls" {
  description = "Addresses of the console's pages about the deployment, by tool, and of Snowflake if there is one; none of AWS in a partition whose console is not known."
  value       = local.deployment.monitoring_urls
}

output "noncurrent_days" {
  description = "Days after which noncurrent versions of data are deleted."
  value       = local.deployment.noncurrent_days
}

output "queues" {
  description = "Queue URLs by short name."
  value       = local.deployment.queues
}

output "recorded_prefixes" {
  description = "What must have a receipt: key prefixes by bucket name."
  value       = local.deployment.recorded_prefixes

  # What has no receipt reaches no job.
  precondition {
    condition = alltrue([
      for place in local.read_by_gate :
      anytrue([for prefix in local.recorded_prefixes[place.bucket] : startswith(place.prefix, prefix)])
    ])
    error_message = "recorded_prefixes must have the prefix of every table in datasets, and for tables analytics = [\"tables/\"] and processed = [\"decisions/\", \"tables/\"] at least: what has no receipt reaches no job."
  }
}

output "region" {
  description = "AWS Region of the deployment."
  value       = local.deployment.region
}

output "roles" {
  description = "Role ARNs by short name; those of people as people-<persona>, if there are any."
  value       = local.deployment.roles
}

output "signing_keys" {
  description = "Every key that signs or has signed receipts or the log, and when it may."
  value       = local.deployment.signing_keys
}

output "snowflake" {
  description = "How custody warehouse signs in to Snowflake and what is there, if there is one: account, the beginning of all names, the stage, the role and external ID of the storage integration, and the secret's ARN."
  value       = local.deployment.snowflake
}

output "sources" {
  description = "For each table that jobs make from raw objects: their prefix in the raw-data bucket, and their format."
  value       = local.deployment.sources
}

output "streams" {
  description = "Names of the Firehose streams by short name."
  value       = local.deployment.streams

  precondition {
    condition     = var.stream.parquet == null || length(local.streamed_tables) < 2
    error_message = "stream.parquet is by the columns of one Glue table, and datasets has ${length(local.streamed_tables)} streams: leave it out."
  }
}

output "tables" {
  description = "The tables that jobs make, and for each the tables it is made from: none for one of raw objects."
  value       = local.deployment.tables

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
  value       = local.deployment.topic_arn
}

output "trail_arn" {
  description = "ARN of the trail."
  value       = local.deployment.trail_arn
}

output "trusted_networks" {
  description = "IPv4 networks from which data and evidence are accessed."
  value       = local.deployment.trusted_networks
}

output "watermark_minutes" {
  description = "Minutes until a missing receipt or trail event is a finding."
  value       = local.deployment.watermark_minutes
}

output "witnesses" {
  description = "Verifier keys of the log's witnesses by label."
  value       = local.deployment.witnesses
}

output "workgroup" {
  description = "Name of the Athena workgroup."
  value       = local.deployment.workgroup
}
