# Who did what: the trail of every read and write of an object, in a bucket and under a key of its own.

locals {
  # Those of the kit's buckets that hold evidence.
  evidence_buckets = concat(local.has_own_trail ? ["cloudtrail-log"] : [], ["provenance"])

  # All buckets except those that hold logs: logging the delivery of logs would never end.
  logged_buckets = setunion(var.orchestrator == null ? [] : ["airflow"], ["analytics", "artifacts", "athena-results", "processed", "provenance", "raw-data"])

  # The trail says who invoked a function.
  logged_functions = concat(["auditor", "recorder", "sealer"], local.has_tables ? ["gate"] : [], var.warehouse == null ? [] : ["rotator"])
}

module "trail_key" {
  source = "./modules/key"
  count  = local.has_own_trail ? 1 : 0

  account_id           = var.account_id
  deletion_window_days = var.retention.key_window_days
  description          = "Encrypts the trail of ${local.prefix}"
  name                 = "${local.prefix}-trail"
  principals           = local.bucket_people["cloudtrail-log"]
  via_services         = ["s3"]

  # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-kms-key-policy-for-cloudtrail.html
  users = merge(local.copy_key_users, {
    CloudTrailEncryptsLogs = {
      principals = ["cloudtrail.amazonaws.com"]
      actions    = ["kms:GenerateDataKey*"]
      conditions = [
        { test = "StringEquals", variable = "aws:SourceArn", values = [local.trail_arn] },
        {
          test     = "StringLike"
          variable = "kms:EncryptionContext:aws:cloudtrail:arn"
          values   = ["arn:${local.partition}:cloudtrail:*:${var.account_id}:trail/*"]
        },
      ]
    }
    # With an S3 Bucket Key, the encryption context is the bucket's ARN.
    CloudTrailUsesBucketKey = {
      principals = ["cloudtrail.amazonaws.com"]
      actions    = ["kms:Decrypt", "kms:GenerateDataKey*"]
      conditions = [
        { test = "StringEquals", variable = "aws:SourceArn", values = [local.trail_arn] },
        { test = "StringEquals", variable = "kms:EncryptionContext:aws:s3:arn", values = [local.bucket_arns["cloudtrail-log"]] },
      ]
    }
    CloudTrailDescribesKey = {
      principals = ["cloudtrail.amazonaws.com"]
      actions    = ["kms:DescribeKey"]
      conditions = [{ test = "StringEquals", variable = "aws:SourceArn", values = [local.trail_arn] }]
    }
    AuditorAndSealerReadTrail = {
      principals = concat([module.auditor_role.arn, module.sealer_role.arn], local.orchestrator_role_arns)
      actions    = ["kms:Decrypt"]
    }
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    LogsEncryptTrailLog = {
      principals = ["logs.${var.region}.${local.dns_suffix}"]
      actions    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = [
        { test = "ArnEquals", variable = "kms:EncryptionContext:aws:logs:arn", values = [local.log_group_arns["trail"]] },
      ]
    }
  })
}

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
data "aws_iam_policy_document" "cloudtrail_log" {
  statement {
    sid       = "CloudTrailChecksBucket"
    actions   = ["s3:GetBucketAcl"]
    resources = [local.bucket_arns["cloudtrail-log"]]

    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [local.trail_arn]
    }
  }

  statement {
    sid       = "CloudTrailDeliversLogs"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arns["cloudtrail-log"]}/AWSLogs/${var.account_id}/*"]

    principals {
      type        = "Service"
      identifiers = ["cloudtrail.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceArn"
      values   = [local.trail_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "s3:x-amz-acl"
      values   = ["bucket-owner-full-control"]
    }
  }

  statement {
    sid       = "NobodyElseDelivers"
    effect    = "Deny"
    actions   = ["s3:PutObject", "s3:ReplicateObject"]
    resources = ["${local.bucket_arns["cloudtrail-log"]}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringNotEquals"
      variable = "aws:SourceArn"
      values   = [local.trail_arn]
    }
  }
}

module "cloudtrail_log" {
  source = "./modules/bucket"
  count  = local.has_own_trail ? 1 : 0

  access_log_bucket = module.access_logs.name
  force_destroy     = var.force_destroy
  key_arn           = module.trail_key[0].arn
  lifecycle_days    = { noncurrent = var.retention.evidence_days }
  name              = local.bucket_names["cloudtrail-log"]
  object_lock       = { days = var.retention.evidence_days, mode = var.retention.evidence_mode }
  policy_documents  = [data.aws_iam_policy_document.cloudtrail_log.json]
  principals        = local.bucket_principals["cloudtrail-log"]
  replication       = lookup(local.replication, "cloudtrail-log", null)
}

# https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-required-policy-for-cloudwatch-logs.html
data "aws_iam_policy_document" "trail_logs" {
  statement {
    sid       = "WriteTrailLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.log_group_arns["trail"]}:log-stream:${var.account_id}_CloudTrail_*"]
  }
}

module "trail_logs_role" {
  source = "./modules/role"
  count  = local.has_own_trail ? 1 : 0

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Writes the trail of ${local.prefix} to its log group"
  name         = local.role_names["trail-logs"]
  trust        = { service = { name = "cloudtrail.amazonaws.com", source_arns = [local.trail_arn] } }

  policies = { write-log = data.aws_iam_policy_document.trail_logs.json }
}

module "trail" {
  source = "./modules/trail"

  account_id        = var.account_id
  bucket            = local.has_own_trail ? module.cloudtrail_log[0].name : var.existing_trail.bucket
  data_bucket_arns  = [for short in local.logged_buckets : local.bucket_arns[short]]
  data_prefix_arns  = [for arn in local.adopted_object_arns : trimsuffix(arn, "*")]
  existing_arn      = local.has_own_trail ? null : var.existing_trail.arn
  function_arns     = [for short in local.logged_functions : local.function_arns[short]]
  logs              = local.has_own_trail ? { key_arn = module.trail_key[0].arn, retention_days = var.retention.log_days, role_arn = module.trail_logs_role[0].ready_arn } : null
  management_events = var.management_trail_arn == null
  name              = local.trail_name
  topic_arn         = module.alerts.topic_arn
  unlogged_readers  = var.log_auditor_reads ? [] : [local.role_arns["auditor"]]

  guarded = {
    buckets            = [local.bucket_names["provenance"]]
    deployers          = var.operators.deploy
    emergency_role_arn = local.emergency_role_arn
    key_arns = concat(
      [module.alerts.key_arn, module.data_key.arn, module.provenance_key.arn],
      module.trail_key[*].arn,
      local.has_streams ? [module.stream_key[0].arn] : [],
      [for key in module.log_key : key.arn],
      [for key in module.signing_key : key.arn],
      module.network_key[*].arn,
      module.orchestrator_key[*].arn,
      module.rotator_key[*].arn,
      module.warehouse[*].key_arn,
      module.warehouse_secret[*].key_arn,
    )
    queues = values(local.queue_names)
  }
}

# Each was there always, before a trail that somebody has could be read instead.
moved {
  from = module.trail_key
  to   = module.trail_key[0]
}

moved {
  from = module.cloudtrail_log
  to   = module.cloudtrail_log[0]
}

moved {
  from = module.trail_logs_role
  to   = module.trail_logs_role[0]
}

# The auditor asks the rules of sql/anomalies on a schedule: it reads the trail and the ledger, through Athena alone, and writes
# what it knows of anomalies.
data "aws_iam_policy_document" "auditor_objects" {
  statement {
    sid       = "ReadTrailAndLedgerThroughAthena"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["cloudtrail-log"]}/${local.trail_folder}CloudTrail/*", "${local.bucket_arns["provenance"]}/segments/*"]

    condition {
      test     = "ForAnyValue:StringEquals"
      variable = "aws:CalledVia"
      values   = ["athena.amazonaws.com"]
    }
  }

  statement {
    sid       = "ListTrailAndLedgerThroughAthena"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [for short in local.evidence_buckets : local.bucket_arns[short]]

    condition {
      test     = "ForAnyValue:StringEquals"
      variable = "aws:CalledVia"
      values   = ["athena.amazonaws.com"]
    }
  }

  dynamic "statement" {
    for_each = local.has_own_trail ? [] : [local.bucket_arns["cloudtrail-log"]]

    content {
      sid       = "LocateTrailThroughAthena"
      actions   = ["s3:GetBucketLocation"]
      resources = [statement.value]

      condition {
        test     = "ForAnyValue:StringEquals"
        variable = "aws:CalledVia"
        values   = ["athena.amazonaws.com"]
      }
    }
  }

  dynamic "statement" {
    for_each = local.has_own_trail ? [] : [local.bucket_arns["cloudtrail-log"]]

    content {
      sid       = "ListTrailThroughAthena"
      actions   = ["s3:ListBucket"]
      resources = [statement.value]

      condition {
        test     = "ForAnyValue:StringEquals"
        variable = "aws:CalledVia"
        values   = ["athena.amazonaws.com"]
      }

      condition {
        test     = "StringLike"
        variable = "s3:prefix"
        values   = ["${local.trail_folder}CloudTrail/*"]
      }
    }
  }

  statement {
    sid       = "FindDeployment"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["artifacts"]}/${local.deployment_key}"]
  }

  statement {
    sid       = "ReadAndWriteWhatIsKnown"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arns["artifacts"]}/${local.anomalies_key}"]
  }

  statement {
    sid       = "FindWhatIsKnown"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns["artifacts"]]

    condition {
      test     = "StringEquals"
      variable = "s3:prefix"
      values   = [local.anomalies_key]
    }
  }
}

data "aws_iam_policy_document" "auditor_alerts" {
  statement {
    sid       = "PublishFindings"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]
  }

  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html
  statement {
    sid       = "SendEventsOfItsOwnSource"
    actions   = ["events:PutEvents"]
    resources = ["arn:${local.partition}:events:${var.region}:${var.account_id}:event-bus/default"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "events:source"
      values   = ["custody"]
    }

    # Without it, a call that names no source would be allowed.
    condition {
      test     = "Null"
      variable = "events:source"
      values   = ["false"]
    }
  }
}

data "aws_iam_policy_document" "auditor_keys" {
  statement {
    sid       = "DecryptEvidence"
    actions   = ["kms:Decrypt"]
    resources = concat([module.provenance_key.arn], local.trail_key_arns)
  }

  statement {
    sid       = "EncryptResultsAndWhatIsKnown"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.data_key.arn]
  }

  statement {
    sid       = "EncryptFindings"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.alerts.key_arn]
  }
}

module "auditor_role" {
  source = "./modules/role"

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Looks for anomalies in the trail and the ledger of ${local.prefix}"
  name         = local.role_names["auditor"]
  trust        = { service = { name = "lambda.amazonaws.com", source_arns = [local.function_arns["auditor"]] } }

  policies = merge(local.function_network_policies["auditor"], {
    objects          = data.aws_iam_policy_document.auditor_objects.json
    publish-findings = data.aws_iam_policy_document.auditor_alerts.json
    query            = data.aws_iam_policy_document.query.json
    use-keys         = data.aws_iam_policy_document.auditor_keys.json
    write-log        = data.aws_iam_policy_document.function_log["auditor"].json
  })
}

module "auditor" {
  source = "./modules/function"

  account_id         = var.account_id
  key_arn            = module.provenance_key.arn
  log_retention_days = var.retention.log_days
  name               = local.function_names["auditor"]
  role_arn           = module.auditor_role.ready_arn
  topic_arn          = module.alerts.topic_arn
  vpc                = local.function_vpc

  # It waits for Athena. A quarter of a vCPU reads an answer of thousands of anomalies in seconds.
  size = { memory_mb = 512, timeout_seconds = 900 }

  code = {
    bucket   = module.artifacts.name
    handler  = "auditor.handler.handler"
    zip_path = "${path.root}/../build/lambda/auditor.zip"
  }

  environment = {
    ARTIFACTS_BUCKET        = local.bucket_names["artifacts"]
    DEPLOYMENT_KEY          = local.deployment_key
    POWERTOOLS_LOG_LEVEL    = "INFO"
    POWERTOOLS_SERVICE_NAME = "auditor"
  }

  rules = {
    schedule = {
      description   = "Asks the rules of sql/anomalies and tells what has changed"
      every_minutes = var.auditor.every_minutes
      input         = jsonencode({})
    }
  }
}
