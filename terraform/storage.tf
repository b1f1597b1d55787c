# The data: where objects arrive (raw-data) and what is made from them (processed, analytics); and the buckets for code and
# for access logs.

locals {
  # What the data key encrypts: the data, the results of queries about it, and the code that processes it.
  data_buckets = setunion(local.lake, ["artifacts", "athena-results"])

  # Who operates the data decides what is erased of it, before it is. If there is nobody, nobody can: the recorder's own policies
  # do not allow it to write here.
  eraser_sole_writers = {
    "erasures/" = {
      principals = length(var.operators.data) > 0 ? var.operators.data : [local.role_arns["recorder"]]
      writes     = "once"
    }
  }

  lake_sole_writers = {
    analytics = {}
    processed = merge(local.eraser_sole_writers, !local.has_tables ? {} : {
      # The gate decides what a job may read.
      "manifests/" = { principals = [local.role_arns["gate"]], writes = "once" }
      # Data engineers decide about withheld objects. If there is no such persona, nobody can: the gate's own policies do not
      # allow it to write here.
      "decisions/" = { principals = [lookup(local.persona_arns, "data-engineer", local.role_arns["gate"])], writes = "once" }
    })
    # Only Firehose writes here, so that no other object can pass for a stream delivery.
    raw-data = {
      for prefix in local.stream_prefixes : prefix => { principals = [local.role_arns["ingest"]], writes = "freely" } if local.has_streams
    }
  }
}

module "data_key" {
  source = "./modules/key"

  account_id           = var.account_id
  deletion_window_days = var.retention.key_window_days
  description          = "Encrypts the objects of ${local.prefix}, query results, code and the jobs' logs"
  name                 = "${local.prefix}-data"
  principals           = setunion([for short in local.data_buckets : local.bucket_people[short]]...)
  via_services         = ["s3"]

  users = merge(local.copy_key_users, local.data_key_users, local.data_key_job_users, var.lake_formation == null ? {} : {
    LakeFormationReadsGold = {
      principals = [module.lake_formation_role[0].arn]
      actions    = ["kms:Decrypt"]
    }
    }, var.snowflake == null ? {} : {
    SnowflakeAndLoaderReadGold = {
      principals = [module.warehouse[0].integration_role_arn, module.warehouse[0].loader_role_arn]
      actions    = ["kms:Decrypt"]
    }
  })
}

locals {
  data_key_users = {
    RecorderReadsObjects = {
      principals = concat([module.recorder_role.arn], var.large_objects == null ? [] : [module.hasher_role[0].arn])
      actions    = ["kms:Decrypt"]
    }
    AuditorKeepsResultsAndWhatItKnows = {
      principals = concat([module.auditor_role.arn], local.orchestrator_role_arns)
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
    }
  }
  # Of those alone that work on tables, and of jobs.
  data_key_job_users = merge({
    for name, user in {
      EtlGateAndIngestWriteObjects = {
        principals = concat(local.has_tables ? [module.etl_role[0].arn, module.gate_role[0].arn] : [], local.has_streams ? [module.ingest_role[0].arn] : [])
        actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
      }
    } : name => user if local.has_tables
    }, {
    for name, user in {
      # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
      LogsEncryptJobLogs = {
        principals = ["logs.${var.region}.${local.dns_suffix}"]
        actions    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        conditions = [
          { test = "ArnEquals", variable = "kms:EncryptionContext:aws:logs:arn", values = [for short in local.job_log_groups : local.log_group_arns[short]] },
        ]
      }
    } : name => user if local.has_jobs
    }, {
    for name, user in {
      VerifierReadsObjectsAndWritesReports = {
        principals = var.verify_objects == null ? [] : [module.verifier_role[0].arn]
        actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
      }
    } : name => user if var.verify_objects != null
  })
  job_log_groups = concat(local.has_tables ? ["jobs-error", "jobs-output"] : [], var.verify_objects == null ? [] : ["verifier-error", "verifier-output"])
}

module "lake" {
  source   = "./modules/bucket"
  for_each = local.lake

  access_log_bucket = module.access_logs.name
  force_destroy     = var.force_destroy
  key_arn           = module.data_key.arn
  lifecycle_days    = { noncurrent = var.retention.noncurrent_days }
  name              = local.bucket_names[each.value]

  principals = local.bucket_principals[each.value]

  sole_writers = local.lake_sole_writers[each.value]

  notifications = {
    for i, prefix in local.recorded_prefixes[each.value] :
    "recorder-${i}" => { queue_arn = module.recorder.queue_arn, prefix = prefix }
  }
}

module "artifacts" {
  source = "./modules/bucket"

  access_log_bucket = module.access_logs.name
  force_destroy     = var.force_destroy
  key_arn           = module.data_key.arn
  lifecycle_days    = { noncurrent = var.retention.evidence_days }
  name              = local.bucket_names["artifacts"]
  principals        = local.bucket_principals["artifacts"]
  replication       = lookup(local.replication, "artifacts", null)

  # Only a deployment writes code, and what people take for the deployment, whatever other permissions a role that reads them
  # may get. Only the auditor says which anomalies were told, and of two runs at a time the second has read nothing of the first.
  sole_writers = merge(
    { for prefix in ["deployments/", "functions/", "glue/"] : prefix => { principals = var.operators.deploy, writes = "freely" } },
    { "anomalies/" = { principals = [local.role_arns["auditor"]], writes = "checked" } },
    var.verify_objects == null ? {} : { (local.verifications_prefix) = { principals = [local.role_arns["verifier"]], writes = "once" } },
  )
}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
data "aws_iam_policy_document" "access_logs" {
  statement {
    sid       = "BucketsDeliverAccessLogs"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arns["access-logs"]}/*"]

    principals {
      type        = "Service"
      identifiers = ["logging.s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [for short, arn in local.own_bucket_arns : arn if short != "access-logs"]
    }
  }
}

module "access_logs" {
  source = "./modules/bucket"

  force_destroy    = var.force_destroy
  lifecycle_days   = { noncurrent = var.retention.noncurrent_days, expiration = var.retention.log_days }
  name             = local.bucket_names["access-logs"]
  policy_documents = [data.aws_iam_policy_document.access_logs.json]
  principals       = local.bucket_principals["access-logs"]
}
