# The evidence: the bucket of receipts, the keys that sign receipts and log, and the two functions that sign: the recorder makes
# receipts, the sealer puts them into the log.

module "provenance_key" {
  source = "./modules/key"

  account_id           = var.account_id
  deletion_window_days = var.retention.key_window_days
  description          = "Encrypts the receipts of ${local.prefix}, and the settings, queues and logs of recorder, sealer, gate and auditor"
  name                 = "${local.prefix}-provenance"
  principals           = local.bucket_people["provenance"]
  via_services         = ["lambda", "s3", "sqs"]

  users = merge(local.provenance_key_users, local.copy_key_users, length(var.adopted_buckets) == 0 ? {} : {
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    RulesSendToQueue = {
      principals = ["events.amazonaws.com"]
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
      conditions = [
        { test = "StringEquals", variable = "aws:SourceAccount", values = [var.account_id] },
        { test = "ArnEquals", variable = "aws:SourceArn", values = local.adopted_rule_arns },
      ]
    }
  })
}

locals {
  provenance_key_users = {
    BucketsNotifyQueue = {
      principals = ["s3.amazonaws.com"]
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
      conditions = [
        { test = "StringEquals", variable = "aws:SourceAccount", values = [var.account_id] },
        { test = "ArnEquals", variable = "aws:SourceArn", values = [for short in setunion(local.lake, ["provenance"]) : local.bucket_arns[short]] },
      ]
    }
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    LogsEncryptFunctionLogs = {
      principals = ["logs.${var.region}.${local.dns_suffix}"]
      actions    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = [
        { test = "ArnEquals", variable = "kms:EncryptionContext:aws:logs:arn", values = [for short in concat(["auditor", "gate"], local.has_loader ? ["loader"] : [], local.recorder_roles, ["sealer"]) : local.log_group_arns[short]] },
      ]
    }
    RecorderAndSealerWrite = {
      principals = concat([module.recorder_role.arn, module.sealer_role.arn], var.large_objects == null ? [] : [module.hasher_role[0].arn])
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
    }
    GateAndAuditorRead = {
      principals = concat([module.auditor_role.arn], local.has_tables ? [module.gate_role[0].arn] : [], var.snowflake == null ? [] : [module.warehouse[0].loader_role_arn], var.verify_objects == null ? [] : [module.verifier_role[0].arn], local.orchestrator_role_arns)
      actions    = ["kms:Decrypt"]
    }
  }
}

# Only the current signing key can sign: a retired key only verifies what it has signed.
module "signing_key" {
  source   = "./modules/key"
  for_each = var.signing_keys

  account_id           = var.account_id
  deletion_window_days = var.retention.key_window_days
  description          = "Signs the receipts of ${local.prefix}: ${each.key}"
  name                 = "${local.prefix}-signing-${each.key}"
  purpose              = "sign"

  users = merge(
    !local.has_tables ? {} : {
      GateVerifies = {
        principals = [module.gate_role[0].arn]
        actions    = ["kms:Verify"]
      }
    },
    each.key != var.signing_key ? {} : {
      RecorderSigns = {
        principals = concat([module.recorder_role.arn], var.large_objects == null ? [] : [module.hasher_role[0].arn])
        actions    = ["kms:Sign"]
      }
    },
  )
}

data "aws_kms_public_key" "signing" {
  for_each = var.signing_keys

  key_id = module.signing_key[each.key].arn
}

# The log's checkpoints have keys of their own, with the labels and times of those that sign receipts: who may sign one cannot
# sign the other.
module "log_key" {
  source   = "./modules/key"
  for_each = var.signing_keys

  account_id           = var.account_id
  deletion_window_days = var.retention.key_window_days
  description          = "Signs the log of ${local.prefix}: ${each.key}"
  name                 = "${local.prefix}-log-${each.key}"
  purpose              = "sign"

  users = each.key != var.signing_key ? {} : {
    SealerSigns = {
      principals = [module.sealer_role.arn]
      actions    = ["kms:Sign"]
    }
  }
}

data "aws_kms_public_key" "log" {
  for_each = merge({ for label in keys(var.signing_keys) : label => module.log_key[label].arn }, local.log_signer_arns)

  key_id = each.value
}

locals {
  # The log's name, and that of its key in every checkpoint: a URL without scheme.
  # https://c2sp.org/tlog-checkpoint
  log_origin = "${local.bucket_names["provenance"]}.s3.${var.region}.${local.dns_suffix}/log"

  log_signer_arns = { for label, signer in var.log_signers : label => signer.key_arn }

  # The keys that sign each checkpoint: the current one, and further ones that have not ended.
  log_signing_arns = concat(
    [module.log_key[var.signing_key].arn],
    [for label, signer in var.log_signers : signer.key_arn if signer.valid_until == null && signer.revoked_at == null],
  )

  # What verifiers trust: the public keys, and the period in which each could sign.
  key_registry = jsonencode({
    log = merge({ for name, declared in var.log_succession : name => declared if declared != null }, {
      origin = local.log_origin
      keys = concat(
        [
          for label, key in var.signing_keys : {
            key_id      = module.log_key[label].arn
            algorithm   = "ecdsa-sha2-nistp256"
            public_key  = data.aws_kms_public_key.log[label].public_key_pem
            valid_from  = key.valid_from
            valid_until = key.valid_until
            revoked_at  = key.revoked_at
          }
        ],
        [
          for label, signer in var.log_signers : {
            key_id      = signer.key_arn
            algorithm   = signer.algorithm
            public_key  = data.aws_kms_public_key.log[label].public_key_pem
            valid_from  = signer.valid_from
            valid_until = signer.valid_until
            revoked_at  = signer.revoked_at
          }
        ],
      )
    })
    keys = [
      for label, key in var.signing_keys : {
        key_id      = module.signing_key[label].arn
        algorithm   = "ecdsa-sha2-nistp256"
        public_key  = data.aws_kms_public_key.signing[label].public_key_pem
        valid_from  = key.valid_from
        valid_until = key.valid_until
        revoked_at  = key.revoked_at
      }
    ]
  })

  # The registry must outlive the receipts: a key may sign for ten years after the last change here, and the last receipt is
  # kept for evidence_days after that.
  key_registry_times = flatten([
    for key in values(var.signing_keys) : [for time in values(key) : time if time != null]
  ])
  key_registry_until = timeadd(
    reverse(sort(local.key_registry_times))[0], "${24 * (3653 + var.retention.evidence_days)}h"
  )
}

module "provenance" {
  source = "./modules/bucket"

  access_log_bucket = module.access_logs.name
  force_destroy     = var.force_destroy
  key_arn           = module.provenance_key.arn
  lifecycle_days    = { noncurrent = var.retention.evidence_days }
  name              = local.bucket_names["provenance"]
  object_lock       = { days = var.retention.evidence_days, mode = var.retention.evidence_mode }
  principals        = local.bucket_principals["provenance"]
  replication       = lookup(local.replication, "provenance", null)

  notifications = {
    sealer = { queue_arn = module.sealer.queue_arn, prefix = "provenance/" }
  }

  # Only the log's checkpoint and the sealer's position are replaced, by the one writer, who has read them; everything else is
  # created once.
  sole_writers = {
    "keys/"       = { principals = var.operators.deploy, writes = "freely" }
    "log/"        = { principals = [local.role_arns["sealer"]], writes = "checked" }
    "provenance/" = { principals = [for role in local.recorder_roles : local.role_arns[role]], writes = "once" }
    "segments/"   = { principals = [local.role_arns["sealer"]], writes = "once" }
  }

  objects = {
    "keys/registry.json" = {
      content      = local.key_registry
      content_type = "application/json"
      retain_until = local.key_registry_until
    }
  }
}

# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
data "aws_iam_policy_document" "function_queue" {
  for_each = toset(["recorder", "sealer"])

  statement {
    sid       = "ConsumeQueue"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = [local.queue_arns[each.key]]
  }
}

data "aws_iam_policy_document" "function_log" {
  for_each = local.function_arns

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.log_group_arns[each.key]}:log-stream:*"]
  }
}

data "aws_iam_policy_document" "recorder_objects" {
  statement {
    sid     = "ReadRecordedVersions"
    actions = ["s3:GetObjectVersion"]
    resources = flatten([
      for short, prefixes in local.recorded_prefixes : [for prefix in prefixes : "${local.bucket_arns[short]}/${prefix}*"]
    ])
  }

  # Without it, S3 returns 403 instead of 404 for a version that no longer exists.
  statement {
    sid       = "TellAbsentFromDenied"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [for short, prefixes in local.recorded_prefixes : local.bucket_arns[short] if length(prefixes) > 0]
  }

  statement {
    sid       = "CreateReceipts"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arns["provenance"]}/provenance/*"]
  }

  # If there is already an object under a receipt's key, the recorder checks whether it is the receipt.
  statement {
    sid       = "ReadReceipts"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["provenance"]}/provenance/*"]
  }
}

data "aws_iam_policy_document" "recorder_keys" {
  statement {
    sid       = "DecryptObjects"
    actions   = ["kms:Decrypt"]
    resources = [module.data_key.arn]
  }

  statement {
    sid       = "EncryptReceipts"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.provenance_key.arn]
  }

  statement {
    sid       = "SignReceipts"
    actions   = ["kms:Sign"]
    resources = [module.signing_key[var.signing_key].arn]
  }
}

module "recorder_role" {
  source = "./modules/role"

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Hashes objects of ${local.prefix} and signs their receipts"
  name         = local.role_names["recorder"]
  trust        = { service = { name = "lambda.amazonaws.com", source_arns = [local.function_arns["recorder"]] } }

  policies = merge(local.function_network_policies["recorder"], local.adopted_policies, {
    consume-queue = data.aws_iam_policy_document.function_queue["recorder"].json
    objects       = data.aws_iam_policy_document.recorder_objects.json
    use-keys      = data.aws_iam_policy_document.recorder_keys.json
    write-log     = data.aws_iam_policy_document.function_log["recorder"].json
  }, { for document in data.aws_iam_policy_document.recorder_hands_over : "hand-over" => document.json })
}

module "recorder" {
  source = "./modules/function"

  account_id         = var.account_id
  key_arn            = module.provenance_key.arn
  log_retention_days = var.retention.log_days
  name               = local.function_names["recorder"]
  role_arn           = module.recorder_role.ready_arn
  size               = var.recorder
  topic_arn          = module.alerts.topic_arn
  vpc                = local.function_vpc

  code = {
    bucket   = module.artifacts.name
    handler  = "recorder.handler.handler"
    zip_path = "${path.root}/../build/lambda/recorder.zip"
  }

  environment = merge({
    POWERTOOLS_LOG_LEVEL         = "INFO"
    POWERTOOLS_METRICS_NAMESPACE = local.metrics_namespace
    POWERTOOLS_SERVICE_NAME      = "recorder"
    PROVENANCE_BUCKET            = local.bucket_names["provenance"]
    SIGNING_KEY_ID               = module.signing_key[var.signing_key].arn
    SIGNING_KEY_VALID_FROM       = var.signing_keys[var.signing_key].valid_from # nothing is signed before this time
    }, [for hasher in module.hasher : {
      LARGE_OBJECTS_ABOVE_BYTES = var.large_objects.above_gb * 1000000000
      LARGE_OBJECTS_QUEUE_URL   = hasher.queue_url
  }]...)

  queue = {
    age_seconds       = local.late_seconds
    batch_size        = var.recorder.batch_size
    event_bucket_arns = [for short in local.lake : local.bucket_arns[short]]
    event_rule_arns   = local.adopted_rule_arns
    max_concurrency   = var.recorder.max_concurrency
    operators         = setunion(var.operators.data, [for persona, arn in local.persona_arns : arn if persona == "break-glass"])
  }
}

locals {
  # Half the watermark: early enough to repair it before missing receipts become findings.
  late_seconds = max(60, 30 * var.watermark_minutes)
}

# The age of the oldest message says nothing of messages that were received more than three times, nor of events that came late.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
resource "aws_cloudwatch_metric_alarm" "receipt_lag" {
  alarm_name          = "${local.function_names["recorder"]}-receipt-lag"
  alarm_description   = "Receipts of ${local.prefix} were made over ${local.late_seconds} s after the writes they are of. They are valid; meanwhile the gate withheld their objects, and after ${var.watermark_minutes} minutes the ledger called them unprovenanced. The recorder's log says what failed before."
  namespace           = local.metrics_namespace
  metric_name         = "ReceiptLag"
  dimensions          = { service = "recorder" }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.late_seconds
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [module.alerts.topic_arn]
  ok_actions          = [module.alerts.topic_arn]
}

# The only writer of the sealed log of receipts.
data "aws_iam_policy_document" "sealer_objects" {
  statement {
    sid       = "ReadReceipts"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["provenance"]}/provenance/*", "${local.bucket_arns["provenance"]}/keys/registry.json"]
  }

  statement {
    sid       = "ReadAndWriteLog"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [for prefix in ["log/", "segments/"] : "${local.bucket_arns["provenance"]}/${prefix}*"]
  }

  # The newest digest of each chain is an entry of the log: the trail's last hours cannot be removed unseen.
  statement {
    sid       = "ReadDigests"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["cloudtrail-log"]}/${local.trail_folder}CloudTrail-Digest/*"]
  }

  statement {
    sid       = "ListDigests"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns["cloudtrail-log"]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${local.trail_folder}CloudTrail-Digest/*"]
    }
  }

  # It lists receipts, and needs 404, not 403, for a tile that does not exist yet. It cannot be limited to a prefix: GetObject
  # has no s3:prefix.
  statement {
    sid       = "ListAndTellAbsentFromDenied"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns["provenance"]]
  }
}

data "aws_iam_policy_document" "sealer_keys" {
  statement {
    sid       = "EncryptLog"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.provenance_key.arn]
  }

  dynamic "statement" {
    for_each = local.has_own_trail ? module.trail_key[*].arn : local.existing_trail_key_arns

    content {
      sid       = "DecryptDigests"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "SignCheckpoints"
    actions   = ["kms:Sign"]
    resources = local.log_signing_arns
  }
}

module "sealer_role" {
  source = "./modules/role"

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Seals the receipts of ${local.prefix} into a log"
  name         = local.role_names["sealer"]
  trust        = { service = { name = "lambda.amazonaws.com", source_arns = [local.function_arns["sealer"]] } }

  policies = merge(local.function_network_policies["sealer"], {
    consume-queue = data.aws_iam_policy_document.function_queue["sealer"].json
    objects       = data.aws_iam_policy_document.sealer_objects.json
    use-keys      = data.aws_iam_policy_document.sealer_keys.json
    write-log     = data.aws_iam_policy_document.function_log["sealer"].json
  })
}

module "sealer" {
  source = "./modules/function"

  account_id         = var.account_id
  key_arn            = module.provenance_key.arn
  log_retention_days = var.retention.log_days
  name               = local.function_names["sealer"]
  role_arn           = module.sealer_role.ready_arn
  topic_arn          = module.alerts.topic_arn
  vpc                = local.function_vpc

  # It holds a batch of at most 4,096 receipts, and the keys that were sealed lately.
  size = { memory_mb = 1769, timeout_seconds = 900 }

  code = {
    bucket   = module.artifacts.name
    handler  = "sealer.handler.handler"
    zip_path = "${path.root}/../build/lambda/sealer.zip"
  }

  environment = {
    LEDGER_SINCE                 = local.trail_since
    LOG_KEY_IDS                  = join(",", local.log_signing_arns)
    LOG_ORIGIN                   = local.log_origin
    POWERTOOLS_LOG_LEVEL         = "INFO"
    POWERTOOLS_METRICS_NAMESPACE = local.metrics_namespace
    POWERTOOLS_SERVICE_NAME      = "sealer"
    PROVENANCE_BUCKET            = local.bucket_names["provenance"]
    TRAIL_BUCKET                 = local.bucket_names["cloudtrail-log"]
    TRAIL_FOLDER                 = local.trail_folder
    WITNESSES                    = jsonencode(var.witnesses)
  }

  # Receipts are sealed together: each seal signs a checkpoint. Two at once are the least that an event source accepts; they do
  # the same work, and only one of them publishes it.
  queue = {
    age_seconds          = local.late_seconds
    batch_size           = 1000
    batch_window_seconds = var.seal_seconds
    event_bucket_arns    = [local.bucket_arns["provenance"]]
    max_concurrency      = 2
    operators            = setunion(var.operators.data, [for persona, arn in local.persona_arns : arn if persona == "break-glass"])
  }

  rules = {
    hourly = {
      description   = "Puts the newest digests of the trail into the log, signs an old checkpoint again, seals receipts that no notification told of, asks witnesses"
      every_minutes = 60
      input         = jsonencode({})
    }
  }
}

# Readers take a checkpoint of more than a day for a log that stands still.
resource "aws_cloudwatch_metric_alarm" "checkpoint_age" {
  alarm_name          = "${local.function_names["sealer"]}-checkpoint-age"
  alarm_description   = "The checkpoint of the log of ${local.prefix} was not signed for a day: the sealer fails. Receipts are still made, but not sealed. Its log has the error."
  namespace           = local.metrics_namespace
  metric_name         = "CheckpointAge"
  dimensions          = { service = "sealer" }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 86400
  period              = 3600
  evaluation_periods  = 1
  treat_missing_data  = "ignore"
  alarm_actions       = [module.alerts.topic_arn]
  ok_actions          = [module.alerts.topic_arn]
}

# One that fails now and then is no reason for an alarm: it cosigns a later checkpoint, which vouches for all entries before.
resource "aws_cloudwatch_metric_alarm" "witnesses" {
  count = length(var.witnesses) == 0 ? 0 : 1

  alarm_name          = "${local.function_names["sealer"]}-witnesses"
  alarm_description   = "For six hours a witness has not cosigned the log of ${local.prefix}. Receipts are sealed as before; proofs that need its cosignature cannot be made for new ones. The sealer's log names the witness and what it answered."
  namespace           = local.metrics_namespace
  metric_name         = "FailedWitnesses"
  dimensions          = { service = "sealer" }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 3600
  evaluation_periods  = 6
  treat_missing_data  = "ignore"
  alarm_actions       = [module.alerts.topic_arn]
  ok_actions          = [module.alerts.topic_arn]
}
