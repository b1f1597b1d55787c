# The evidence: the bucket of receipts, the keys that sign them, and the only function that signs.

module "provenance_key" {
  source = "./modules/key"

  account_id           = var.account_id
  deletion_window_days = var.retention.key_window_days
  description          = "Encrypts the receipts of ${local.prefix}, and the settings, queues and logs of recorder and gate"
  name                 = "${local.prefix}-provenance"
  principals           = local.bucket_people["provenance"]
  via_services         = ["lambda", "s3", "sqs"]

  users = {
    BucketsNotifyQueue = {
      principals = ["s3.amazonaws.com"]
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
      conditions = [
        { test = "StringEquals", variable = "aws:SourceAccount", values = [var.account_id] },
        { test = "ArnEquals", variable = "aws:SourceArn", values = [for short in local.lake : local.bucket_arns[short]] },
      ]
    }
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    LogsEncryptFunctionLogs = {
      principals = ["logs.${var.region}.${local.dns_suffix}"]
      actions    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = [
        { test = "ArnEquals", variable = "kms:EncryptionContext:aws:logs:arn", values = [for short in ["gate", "recorder"] : local.log_group_arns[short]] },
      ]
    }
    RecorderAndSealerWrite = {
      principals = [module.recorder_role.arn, module.sealer_role.arn]
      actions    = ["kms:Decrypt", "kms:GenerateDataKey"]
    }
    GateAndAuditorRead = {
      principals = concat([module.auditor_role.arn], local.has_tables ? [module.gate_role[0].arn] : [])
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
        principals = [module.recorder_role.arn]
        actions    = ["kms:Sign"]
      }
    },
  )
}

data "aws_kms_public_key" "signing" {
  for_each = var.signing_keys

  key_id = module.signing_key[each.key].arn
}

locals {
  # What verifiers trust: the public keys, and the period in which each could sign.
  key_registry = jsonencode({
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
  key_registry_times = flatten([for key in values(var.signing_keys) : [for time in values(key) : time if time != null]])
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

  # Only the log's checkpoint is replaced, by the one writer, who has read it; everything else is created once.
  sole_writers = {
    "keys/"       = { principals = var.operators.deploy, writes = "freely" }
    "log/"        = { principals = [local.role_arns["sealer"]], writes = "checked" }
    "provenance/" = { principals = [local.role_arns["recorder"]], writes = "once" }
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

  policies = merge(local.function_network_policies["recorder"], {
    consume-queue = data.aws_iam_policy_document.function_queue["recorder"].json
    objects       = data.aws_iam_policy_document.recorder_objects.json
    use-keys      = data.aws_iam_policy_document.recorder_keys.json
    write-log     = data.aws_iam_policy_document.function_log["recorder"].json
  })
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

  environment = {
    POWERTOOLS_LOG_LEVEL         = "INFO"
    POWERTOOLS_METRICS_NAMESPACE = local.metrics_namespace
    POWERTOOLS_SERVICE_NAME      = "recorder"
    PROVENANCE_BUCKET            = local.bucket_names["provenance"]
    SIGNING_KEY_ID               = module.signing_key[var.signing_key].arn
    SIGNING_KEY_VALID_FROM       = var.signing_keys[var.signing_key].valid_from # nothing is signed before this time
  }

  queue = {
    # Half the watermark: early enough to repair it before missing receipts become findings.
    age_seconds       = max(60, 30 * var.watermark_minutes)
    batch_size        = var.recorder.batch_size
    event_bucket_arns = [for short in local.lake : local.bucket_arns[short]]
    max_concurrency   = var.recorder.max_concurrency
    operators         = setunion(var.operators.data, [for persona, arn in local.persona_arns : arn if persona == "break-glass"])
  }
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
}

module "sealer_role" {
  source = "./modules/role"

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Seals the receipts of ${local.prefix} into a log"
  name         = local.role_names["sealer"]
  trust        = { service = { name = "lambda.amazonaws.com", source_arns = [local.function_arns["sealer"]] } }

  policies = {
    consume-queue = data.aws_iam_policy_document.function_queue["sealer"].json
    objects       = data.aws_iam_policy_document.sealer_objects.json
    use-keys      = data.aws_iam_policy_document.sealer_keys.json
    write-log     = data.aws_iam_policy_document.function_log["sealer"].json
  }
}
