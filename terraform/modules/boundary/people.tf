data "aws_iam_policy_document" "people" {
  # checkov:skip=CKV_AWS_356:CloudWatch shows composite alarms, and their history, only to those who may describe all alarms
  count = var.purpose == "people" ? 1 : 0

  statement {
    sid       = "ObjectsOfTheKit"
    actions   = ["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectVersionTagging"]
    resources = concat(["${local.buckets}/*"], local.adopted_object_arns, local.copy_object_arns, local.trail_object_arns)
  }

  statement {
    sid     = "DropsAndResults"
    actions = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"]
    resources = [
      "${local.bucket["raw-data"]}/incoming/*",
      "${local.bucket["athena-results"]}/results/*",
      "${local.bucket["processed"]}/decisions/*",
    ]
  }

  statement {
    sid = "BucketsOfTheKit"
    actions = [
      "s3:GetBucketLocation",
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
      "s3:ListBucket",
      "s3:ListBucketMultipartUploads",
      "s3:ListBucketVersions",
    ]
    resources = concat([local.buckets], local.adopted_arns, keys(local.copies), local.trail_arns)
  }

  # The keys of buckets that are not the kit's.
  dynamic "statement" {
    for_each = length(local.foreign_key_arns) + length(local.copies) > 0 ? ["keys"] : []

    content {
      sid       = "KeysOfOthers"
      actions   = ["kms:Decrypt"]
      resources = concat(local.foreign_key_arns, values(local.copies))

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["s3.*"]
      }
    }
  }

  # A key's id is random; its alias is not.
  # https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
  statement {
    sid = "KeysOfTheKit"
    actions = [
      "kms:CancelKeyDeletion",
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:DisableKey",
      "kms:EnableKey",
      "kms:GenerateDataKey",
      "kms:GetKeyLastUsage",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:GetPublicKey",
      "kms:ListGrants",
    ]
    resources = ["${local.here["kms"]}:key/*"]

    condition {
      test     = "ForAnyValue:StringLike"
      variable = "kms:ResourceAliases"
      values   = ["alias/${var.prefix}-*"]
    }
  }

  # Each action applies only to its own resource type, whatever else is listed: one statement leaves room in the 6144 characters.
  statement {
    sid = "OfTheKit"
    actions = [
      "athena:BatchGetNamedQuery",
      "athena:GetDataCatalog",
      "athena:GetNamedQuery",
      "athena:GetQueryExecution",
      "athena:GetQueryResults",
      "athena:GetTableMetadata",
      "athena:GetWorkGroup",
      "athena:ListDatabases",
      "athena:ListNamedQueries",
      "athena:ListTableMetadata",
      "athena:StartQueryExecution",
      "athena:StopQueryExecution",
      "cloudwatch:GetDashboard",
      "events:DescribeRule",
      "events:ListTargetsByRule",
      "firehose:PutRecord",
      "firehose:PutRecordBatch",
      "glue:BatchStopJobRun",
      "glue:GetDatabase",
      "glue:GetDatabases",
      "glue:GetJob",
      "glue:GetJobRun",
      "glue:GetJobRuns",
      "glue:GetPartition",
      "glue:GetPartitions",
      "glue:GetTable",
      "glue:GetTables",
      "iam:GetPolicy",
      "iam:GetPolicyVersion",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListPolicyVersions",
      "iam:ListRolePolicies",
      "lambda:GetFunctionConcurrency",
      "lambda:GetFunctionConfiguration",
      "lambda:GetPolicy",
      "lambda:PutFunctionConcurrency",
      "logs:DescribeLogStreams",
      "logs:FilterLogEvents",
      "logs:GetLogEvents",
      "sns:GetTopicAttributes",
      "sqs:CancelMessageMoveTask",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ListMessageMoveTasks",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
      "sqs:StartMessageMoveTask",
    ]
    resources = concat(local.catalog, [
      "${local.here["athena"]}:datacatalog/AwsDataCatalog",
      "${local.here["athena"]}:workgroup/${var.prefix}",
      "${local.here["events"]}:rule/${var.prefix}-*",
      "${local.here["firehose"]}:deliverystream/${var.prefix}-*",
      "${local.here["glue"]}:job/${var.prefix}-*",
      "${local.here["lambda"]}:function:${var.prefix}-*",
      "${local.here["logs"]}:log-group:/aws-glue/jobs/${var.prefix}-*",
      "${local.here["logs"]}:log-group:/aws/kinesisfirehose/${var.prefix}-*",
      "${local.here["logs"]}:log-group:/aws/lambda/${var.prefix}-*",
      "${local.here["sns"]}:${var.prefix}-alerts",
      "${local.here["sqs"]}:${var.prefix}-*",
      "${local.iam}:policy/${var.prefix}-*",
      "${local.iam}:role/${var.prefix}-*",
      "arn:${local.partition}:cloudwatch::${var.account_id}:dashboard/${var.prefix}-*",
    ])
  }

  # People start jobs only through the gate, which gives them verified versions only.
  statement {
    sid       = "GateOfTheKit"
    actions   = ["lambda:InvokeFunction"]
    resources = ["${local.here["lambda"]}:function:${var.prefix}-gate"]
  }

  # These have no resource-level permissions: event sources, dashboards and classic metrics are the account's, and Lake
  # Formation's own grants decide what GetDataAccess reads, if it is used. Composite alarms are shown only to those who may
  # describe all alarms.
  statement {
    sid = "WithoutResource"
    actions = [
      "cloudtrail:ListPublicKeys",
      "cloudwatch:DescribeAlarmHistory",
      "cloudwatch:DescribeAlarms",
      "cloudwatch:GetMetricData",
      "cloudwatch:ListDashboards",
      "cloudwatch:ListMetrics",
      "lakeformation:GetDataAccess",
      "lambda:ListEventSourceMappings",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "TrailOfTheKit"
    actions   = ["cloudtrail:StartLogging"]
    resources = ["${local.here["cloudtrail"]}:trail/${var.prefix}"]
  }

  # Management events may be logged by another trail, such as the organization's, which is in another account.
  statement {
    sid       = "TrailsLookedUp"
    actions   = ["cloudtrail:GetEventSelectors", "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus"]
    resources = ["arn:${local.partition}:cloudtrail:*:*:trail/*"]
  }

  statement {
    sid    = "NobodyAdministers"
    effect = "Deny"
    actions = [
      "cloudtrail:DeleteTrail",
      "cloudtrail:PutEventSelectors",
      "cloudtrail:StopLogging",
      "cloudtrail:UpdateTrail",
      "iam:Attach*",
      "iam:Create*",
      "iam:Delete*",
      "iam:Detach*",
      "iam:PassRole",
      "iam:Put*",
      "iam:Set*",
      "iam:Update*",
      "kms:CreateGrant",
      "kms:PutKeyPolicy",
      "kms:ScheduleKeyDeletion",
      "kms:Sign",
      "organizations:*",
      "s3:DeleteBucket*",
      "s3:PutBucket*",
      "s3:Put*Configuration",
      "sts:AssumeRole",
    ]
    resources = ["*"]
  }

  statement {
    sid    = "NobodyWritesEvidence"
    effect = "Deny"
    actions = [
      "s3:BypassGovernanceRetention",
      "s3:DeleteObject*",
      "s3:PutObject*",
      "s3:Replicate*",
      "s3:UpdateObjectEncryption",
    ]
    resources = [for arn in local.evidence : "${arn}/*"]
  }
}
