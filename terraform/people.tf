# The personas: what each may do, and, in accounts without Identity Center, the roles they assume.

data "aws_iam_policy_document" "people_producer" {
  statement {
    sid       = "DropFiles"
    actions   = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"]
    resources = ["${local.bucket_arns["raw-data"]}/incoming/*"]
  }

  # custody upload asks for a version's tags before it says that an earlier run has uploaded it. Tags show that the version
  # exists, and nothing of its content; S3 returns the version id only to its writer.
  statement {
    sid       = "SeeThatOwnVersionsExist"
    actions   = ["s3:GetObjectVersionTagging"]
    resources = ["${local.bucket_arns["raw-data"]}/incoming/*"]
  }

  # No permission on a key is needed: Firehose encrypts buffered records under its own grant.
  dynamic "statement" {
    for_each = local.has_streams ? ["streams"] : []

    content {
      sid       = "SendRecords"
      actions   = ["firehose:PutRecord", "firehose:PutRecordBatch"]
      resources = values(local.stream_arns)
    }
  }

  # What custody upload --wait compares. A receipt's key ends in the version id, which S3 returns only to the version's writer
  # and to those who may list: so this gives no access to receipts of other producers' files.
  statement {
    sid       = "ReadReceiptsOfOwnFiles"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["provenance"]}/provenance/${local.bucket_names["raw-data"]}/incoming/*"]
  }
}

data "aws_iam_policy_document" "people_producer_keys" {
  # A multipart upload decrypts its own parts; uploaded files cannot be read back without s3:GetObject.
  statement {
    sid       = "EncryptFiles"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.data_key.arn]
  }

  # The key encrypts the recorder's messages too.
  statement {
    sid       = "DecryptReceipts"
    actions   = ["kms:Decrypt"]
    resources = [module.provenance_key.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.${local.dns_suffix}"]
    }
  }
}

data "aws_iam_policy_document" "people_data_engineer" {
  statement {
    sid       = "ReadTables"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [for short in ["analytics", "processed"] : "${local.bucket_arns[short]}/*"]
  }

  statement {
    sid       = "ListTables"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"]
    resources = [for short in ["analytics", "processed"] : local.bucket_arns[short]]
  }

  # Withheld objects are released or dismissed by a decision, which is evidence like any object (custody.gate.decisions).
  dynamic "statement" {
    for_each = local.has_tables ? ["tables"] : []

    content {
      sid       = "DecideAboutWithheldObjects"
      actions   = ["s3:PutObject"]
      resources = ["${local.bucket_arns["processed"]}/decisions/*"]
    }
  }

  dynamic "statement" {
    for_each = local.has_tables ? ["tables"] : []

    content {
      sid       = "WatchAndStopJobs"
      actions   = ["glue:BatchStopJobRun", "glue:GetJob", "glue:GetJobRun", "glue:GetJobRuns"]
      resources = values(local.job_arns)
    }
  }

  # Not glue:StartJobRun: its caller chooses the code that runs with the job's role.
  dynamic "statement" {
    for_each = local.has_tables ? ["tables"] : []

    content {
      sid       = "AskGateToStartJobs"
      actions   = ["lambda:InvokeFunction"]
      resources = [local.function_arns["gate"]]
    }
  }

  dynamic "statement" {
    for_each = local.has_tables ? ["tables"] : []

    content {
      sid       = "ReadLogsOfJobs"
      actions   = ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"]
      resources = [for short in ["jobs-error", "jobs-output"] : "${local.log_group_arns[short]}:*"]
    }
  }

  dynamic "statement" {
    for_each = local.has_streams ? ["streams"] : []

    content {
      sid       = "WatchStreams"
      actions   = ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"]
      resources = [for short in keys(local.stream_names) : "${local.log_group_arns[short]}:*"]
    }
  }
}

# Gold only, and only through Athena.
data "aws_iam_policy_document" "people_analyst" {
  # If Lake Formation is used, it reads for the analyst, through a filter of rows and columns.
  dynamic "statement" {
    for_each = var.lake_formation == null ? ["objects"] : []

    content {
      sid       = "ReadGoldThroughAthena"
      actions   = ["s3:GetObject"]
      resources = ["${local.bucket_arns["analytics"]}/tables/*"]

      condition {
        test     = "ForAnyValue:StringEquals"
        variable = "aws:CalledVia"
        values   = ["athena.amazonaws.com"]
      }
    }
  }

  statement {
    sid       = "ListGoldThroughAthena"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket"]
    resources = [local.bucket_arns["analytics"]]

    condition {
      test     = "ForAnyValue:StringEquals"
      variable = "aws:CalledVia"
      values   = ["athena.amazonaws.com"]
    }
  }
}

# For analysts and data engineers.
data "aws_iam_policy_document" "people_reader_keys" {
  statement {
    sid       = "DecryptTablesAndEncryptResults"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.data_key.arn]
  }
}

# What custody ledger, show, verify, report and doctor read.
data "aws_iam_policy_document" "people_auditor" {
  statement {
    sid     = "ReadRecordedObjects"
    actions = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = flatten([
      for short, prefixes in local.recorded_prefixes : [for prefix in prefixes : "${local.bucket_arns[short]}/${prefix}*"]
    ])
  }

  statement {
    sid       = "ReadEvidence"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [for short in local.evidence_buckets : "${local.bucket_arns[short]}/*"]
  }

  statement {
    sid       = "ListVersions"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"]
    resources = [for short in setunion(local.evidence_buckets, local.lake) : local.bucket_arns[short]]
  }
}

data "aws_iam_policy_document" "people_auditor_stages" {
  statement {
    sid       = "ExamineBuckets"
    actions   = ["s3:GetBucketNotification", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketVersioning"]
    resources = values(local.own_bucket_arns)
  }

  statement {
    sid       = "ExamineAuditor"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns["artifacts"]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = concat([local.anomalies_key], local.verifications_patterns)
    }
  }

  # Which rules could not be asked, and why; and what was found where objects were hashed again.
  statement {
    sid       = "ReadWhatAuditorKnows"
    actions   = ["s3:GetObject"]
    resources = [for key in concat([local.anomalies_key], local.verifications_patterns) : "${local.bucket_arns["artifacts"]}/${key}"]
  }

  statement {
    sid       = "ExamineQueues"
    actions   = ["sqs:GetQueueAttributes"]
    resources = values(local.queue_arns)
  }

  statement {
    sid       = "ExamineFunctions"
    actions   = ["lambda:GetFunctionConfiguration"]
    resources = [for short in concat(["auditor", "recorder", "sealer"], local.has_tables ? ["gate"] : []) : local.function_arns[short]]
  }

  dynamic "statement" {
    for_each = local.has_tables ? ["tables"] : []

    content {
      sid       = "ExamineJobs"
      actions   = ["glue:GetJobRuns"]
      resources = values(local.job_arns)
    }
  }

  # Neither has resource-level permissions: they list event sources and the keys of CloudTrail's digests of the account.
  statement {
    sid       = "ExamineEventSourcesAndDigests"
    actions   = ["cloudtrail:ListPublicKeys", "lambda:ListEventSourceMappings"]
    resources = ["*"]
  }

  statement {
    sid       = "ExamineTrails"
    actions   = ["cloudtrail:GetEventSelectors", "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus"]
    resources = [local.management_trail_arn, local.trail_arn]
  }
}

data "aws_iam_policy_document" "people_auditor_keys" {
  statement {
    sid       = "DecryptEvidence"
    actions   = ["kms:Decrypt"]
    resources = concat([module.provenance_key.arn], module.trail_key[*].arn)
  }

  statement {
    sid       = "DecryptObjectsAndEncryptResults"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.data_key.arn]
  }

  statement {
    sid       = "ExamineSigningKeys"
    actions   = ["kms:DescribeKey", "kms:GetKeyLastUsage"]
    resources = concat([for key in module.log_key : key.arn], [for key in module.signing_key : key.arn], [for signer in var.log_signers : signer.key_arn])
  }
}

data "aws_iam_policy_document" "people_security_admin" {
  statement {
    sid = "ReadBucketSettings"
    actions = [
      "s3:GetBucketLogging",
      "s3:GetBucketNotification",
      "s3:GetBucketObjectLockConfiguration",
      "s3:GetBucketOwnershipControls",
      "s3:GetBucketPolicy",
      "s3:GetBucketPolicyStatus",
      "s3:GetBucketPublicAccessBlock",
      "s3:GetBucketVersioning",
      "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration",
    ]
    resources = values(local.own_bucket_arns)
  }

  statement {
    sid = "ReadRolesAndBoundaries"
    actions = [
      "iam:GetPolicy",
      "iam:GetPolicyVersion",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListPolicyVersions",
      "iam:ListRolePolicies",
    ]
    resources = concat(values(local.role_arns), values(local.boundary_arns))
  }

  statement {
    sid       = "ReadQueuesAndTopic"
    actions   = ["sns:GetTopicAttributes", "sqs:GetQueueAttributes"]
    resources = concat(values(local.queue_arns), [local.topic_arn])
  }

  statement {
    sid     = "ReadTrailAndRules"
    actions = ["cloudtrail:GetEventSelectors", "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus", "events:DescribeRule", "events:ListTargetsByRule"]
    resources = [
      local.management_trail_arn,
      local.trail_arn,
      "arn:${local.partition}:events:${var.region}:${var.account_id}:rule/${local.prefix}-*",
    ]
  }

  statement {
    sid       = "ReadWorkgroup"
    actions   = ["athena:GetWorkGroup"]
    resources = [local.workgroup_arn]
  }

  # A reserved concurrency of 0 stops a function; its events wait in the queue.
  statement {
    sid       = "ReadAndStopFunctions"
    actions   = ["lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration", "lambda:GetPolicy", "lambda:PutFunctionConcurrency"]
    resources = values(local.function_arns)
  }
}

data "aws_iam_policy_document" "people_security_admin_keys" {
  # Enabling a key again is not allowed here: whoever stops something must not also declare it safe.
  statement {
    sid     = "ReadAndDisableKeys"
    actions = ["kms:DescribeKey", "kms:DisableKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:GetPublicKey", "kms:ListGrants"]
    resources = concat(
      [module.alerts.key_arn, module.data_key.arn, module.provenance_key.arn],
      module.trail_key[*].arn,
      local.has_streams ? [module.stream_key[0].arn] : [],
      [for key in module.log_key : key.arn],
      [for key in module.signing_key : key.arn],
    )
  }
}

data "aws_iam_policy_document" "people_break_glass" {
  statement {
    sid       = "ReadAllDataAndEvidence"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [for short, users in local.bucket_users : "${local.bucket_arns[short]}/*" if contains(users.people, "break-glass")]
  }

  statement {
    sid       = "ListAllDataAndEvidence"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"]
    resources = [for short, users in local.bucket_users : local.bucket_arns[short] if contains(users.people, "break-glass")]
  }

  statement {
    sid       = "DropFiles"
    actions   = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"]
    resources = ["${local.bucket_arns["raw-data"]}/incoming/*"]
  }

  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
  statement {
    sid = "RedriveDeadLetters"
    actions = [
      "sqs:CancelMessageMoveTask",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ListMessageMoveTasks",
      "sqs:ReceiveMessage",
      "sqs:StartMessageMoveTask",
    ]
    resources = [for short in concat(local.recorder_roles, ["sealer"]) : local.queue_arns["${short}-dlq"]]
  }

  statement {
    sid       = "SendToRecorderAndSealer"
    actions   = ["sqs:GetQueueAttributes", "sqs:SendMessage"]
    resources = [for short in concat(local.recorder_roles, ["sealer"]) : local.queue_arns[short]]
  }

  dynamic "statement" {
    for_each = local.has_own_trail ? [local.trail_arn] : []

    content {
      sid       = "StartTrailAgain"
      actions   = ["cloudtrail:GetTrailStatus", "cloudtrail:StartLogging"]
      resources = [statement.value]
    }
  }
}

data "aws_iam_policy_document" "people_break_glass_keys" {
  # A key whose deletion is cancelled stays disabled until it is enabled.
  statement {
    sid     = "SaveKeys"
    actions = ["kms:CancelKeyDeletion", "kms:DescribeKey", "kms:EnableKey"]
    resources = concat(
      [module.alerts.key_arn, module.data_key.arn, module.provenance_key.arn],
      module.trail_key[*].arn,
      local.has_streams ? [module.stream_key[0].arn] : [],
      [for key in module.log_key : key.arn],
      [for key in module.signing_key : key.arn],
    )
  }

  dynamic "statement" {
    for_each = local.has_own_trail ? module.trail_key[*].arn : []

    content {
      sid       = "DecryptEvidence"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "DecryptAndEncryptFilesAndMessages"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.data_key.arn, module.provenance_key.arn]
  }
}

# What the console shows of the dashboard and the alarms, for whoever is on call: auditor, data engineer, security
# administrator.
data "aws_iam_policy_document" "people_monitoring" {
  # checkov:skip=CKV_AWS_356:CloudWatch shows composite alarms, and their history, only to those who may describe all alarms
  statement {
    sid       = "ReadDashboard"
    actions   = ["cloudwatch:GetDashboard"]
    resources = ["arn:${local.partition}:cloudwatch::${var.account_id}:dashboard/${local.prefix}-health"]
  }

  # Classic metrics and the list of dashboards have no resource-level permissions, and composite alarms are shown only to
  # those who may describe all alarms: these are the account's, not the kit's alone.
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/permissions-reference-cw.html
  statement {
    sid = "ReadAlarmsAndMetrics"
    actions = [
      "cloudwatch:DescribeAlarmHistory",
      "cloudwatch:DescribeAlarms",
      "cloudwatch:GetMetricData",
      "cloudwatch:ListDashboards",
      "cloudwatch:ListMetrics",
    ]
    resources = ["*"]
  }
}

# What custody --deployment s3://… reads.
data "aws_iam_policy_document" "people_deployment" {
  statement {
    sid       = "FindDeployment"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["artifacts"]}/${local.deployment_key}"]
  }
}

locals {
  # What each persona may do: policy documents by name, used for both roles and permission sets.
  people_policies = {
    analyst = {
      find-deployment = data.aws_iam_policy_document.people_deployment.json
      query           = data.aws_iam_policy_document.people_query.json
      read-gold       = data.aws_iam_policy_document.people_analyst.json
      use-keys        = data.aws_iam_policy_document.people_reader_keys.json
    }
    auditor = merge(local.adopted_auditor_policies, local.copy_auditor_policies, local.existing_trail_policies, {
      find-deployment = data.aws_iam_policy_document.people_deployment.json
      examine         = data.aws_iam_policy_document.people_auditor_stages.json
      monitor         = data.aws_iam_policy_document.people_monitoring.json
      query           = data.aws_iam_policy_document.people_query.json
      read-evidence   = data.aws_iam_policy_document.people_auditor.json
      use-keys        = data.aws_iam_policy_document.people_auditor_keys.json
    })
    break-glass = merge(local.adopted_policies, local.existing_trail_policies, {
      mend     = data.aws_iam_policy_document.people_break_glass.json
      use-keys = data.aws_iam_policy_document.people_break_glass_keys.json
    })
    data-engineer = {
      find-deployment = data.aws_iam_policy_document.people_deployment.json
      monitor         = data.aws_iam_policy_document.people_monitoring.json
      query           = data.aws_iam_policy_document.people_query.json
      use-keys        = data.aws_iam_policy_document.people_reader_keys.json
      work-on-lake    = data.aws_iam_policy_document.people_data_engineer.json
    }
    producer = {
      find-deployment = data.aws_iam_policy_document.people_deployment.json
      drop-files      = data.aws_iam_policy_document.people_producer.json
      use-keys        = data.aws_iam_policy_document.people_producer_keys.json
    }
    security-admin = {
      monitor          = data.aws_iam_policy_document.people_monitoring.json
      read-and-contain = data.aws_iam_policy_document.people_security_admin.json
      use-keys         = data.aws_iam_policy_document.people_security_admin_keys.json
    }
  }

  people_descriptions = {
    analyst        = "Queries the gold tables of ${local.prefix}"
    auditor        = "Checks the evidence of ${local.prefix}"
    break-glass    = "Repairs ${local.prefix} in an emergency; its use raises an alarm"
    data-engineer  = "Reads the tables of ${local.prefix} and runs its jobs"
    producer       = "Uploads files and sends stream records to ${local.prefix}"
    security-admin = "Reads the settings of ${local.prefix} and stops functions and keys in an incident"
  }
}

# For accounts without Identity Center, which would create the roles from permission sets.
module "people_role" {
  source   = "./modules/role"
  for_each = var.identity_center == null ? var.people : {}

  account_id    = var.account_id
  boundary_arn  = local.boundary_arns["people"]
  description   = local.people_descriptions[each.key]
  name          = local.role_names["people-${each.key}"]
  policies      = local.people_policies[each.key]
  session_hours = each.value.session_hours

  trust = {
    people = {
      # Break-glass requires a recent MFA sign-in.
      mfa_max_age_seconds = each.key == "break-glass" ? 900 : 3600
      principals          = each.value.principals
    }
  }
}

# With Identity Center: the same policies, as permission sets.
module "workforce" {
  source = "./modules/workforce"
  count  = var.identity_center == null ? 0 : 1

  account_id    = var.account_id
  boundary_name = basename(local.boundary_arns["people"])
  instance      = var.identity_center.instance
  prefix        = local.prefix

  personas = {
    for name, persona in var.identity_center.personas :
    name => merge(persona, { description = local.people_descriptions[name], policies = local.people_policies[name] })
  }
}
