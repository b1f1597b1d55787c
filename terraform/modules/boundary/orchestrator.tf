# The role of Airflow and its tasks: they read what an auditor verifies, ask the gate to work, and load as the loader or have its
# task load. They write results of queries, logs, metrics and messages, and nothing else.
data "aws_iam_policy_document" "orchestrator" {
  # checkov:skip=CKV_AWS_356:Finding log groups and the keys of CloudTrail's digests, the account's block of public access, Lake Formation's credentials, and writing metrics have no resource-level permissions
  count = var.purpose == "orchestrator" ? 1 : 0

  statement {
    sid       = "ObjectsOfTheKit"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = concat(["${local.buckets}/*"], local.adopted_object_arns, local.copy_object_arns, local.trail_object_arns)
  }

  statement {
    sid       = "ResultsOfQueries"
    actions   = ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts", "s3:PutObject"]
    resources = ["${local.bucket["athena-results"]}/results/*"]
  }

  statement {
    sid       = "BucketsOfTheKit"
    actions   = ["s3:GetBucket*", "s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:ListBucketVersions"]
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
    sid       = "KeysOfTheKit"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"]
    resources = ["${local.here["kms"]}:key/*"]

    condition {
      test     = "ForAnyValue:StringLike"
      variable = "kms:ResourceAliases"
      values   = ["alias/${var.prefix}-*"]
    }
  }

  # Each action applies only to its own resource type, whatever else is listed.
  statement {
    sid = "OfTheKit"
    actions = [
      "airflow:PublishMetrics",
      "athena:GetQueryExecution",
      "athena:GetQueryResults",
      "athena:GetWorkGroup",
      "athena:StartQueryExecution",
      "athena:StopQueryExecution",
      "ecs:DescribeTasks",
      "ecs:RunTask",
      "glue:GetDatabase",
      "glue:GetJobRuns",
      "glue:GetPartition",
      "glue:GetPartitions",
      "glue:GetTable",
      "glue:GetTables",
      "iam:PassRole",
      "lambda:InvokeFunction",
      "logs:CreateLogGroup",
      "logs:CreateLogStream",
      "logs:GetLogEvents",
      "logs:GetLogGroupFields",
      "logs:PutLogEvents",
      "sns:Publish",
      "sts:AssumeRole",
    ]
    resources = concat(local.catalog, [
      "${local.here["airflow"]}:environment/${var.prefix}-*",
      "${local.here["athena"]}:workgroup/${var.prefix}",
      "${local.here["ecs"]}:task-definition/${var.prefix}-loader:*",
      "${local.here["ecs"]}:task/${var.prefix}-loader/*",
      "${local.here["glue"]}:job/${var.prefix}-*",
      "${local.here["lambda"]}:function:${var.prefix}-gate",
      "${local.here["logs"]}:log-group:airflow-${var.prefix}-*",
      "${local.here["sns"]}:${var.prefix}-alerts",
      "${local.iam}:role/${var.prefix}-loader",
      "${local.iam}:role/${var.prefix}-loader-execution",
    ])
  }

  # The queue of tasks is in an account of the service.
  statement {
    sid = "QueueOfTasks"
    actions = [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
    ]
    resources = ["arn:${local.partition}:sqs:${local.region}:*:airflow-celery-*"]
  }

  # These have no resource-level permissions.
  statement {
    sid = "WhatHasNoName"
    actions = [
      "cloudtrail:ListPublicKeys",
      "cloudwatch:PutMetricData",
      "lakeformation:GetDataAccess",
      "logs:DescribeLogGroups",
      "s3:GetAccountPublicAccessBlock",
    ]
    resources = ["*"]
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
      "cloudtrail:Delete*",
      "cloudtrail:Put*",
      "cloudtrail:StopLogging",
      "cloudtrail:Update*",
      "kms:CreateGrant",
      "kms:PutKeyPolicy",
      "kms:ScheduleKeyDeletion",
      "kms:Sign",
      "organizations:*",
      "s3:Delete*",
      "s3:PutBucket*",
      "s3:Put*Configuration",
    ]
    resources = ["*"]
  }

  # But for handing the loader's task its roles, which names the service.
  statement {
    sid       = "NobodyAdministersRoles"
    effect    = "Deny"
    actions   = ["iam:*"]
    resources = ["*"]

    condition {
      test     = "StringNotEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  statement {
    sid    = "NobodyWritesEvidence"
    effect = "Deny"
    actions = [
      "s3:BypassGovernanceRetention",
      "s3:PutObject*",
      "s3:Replicate*",
      "s3:UpdateObjectEncryption",
    ]
    resources = [for arn in local.evidence : "${arn}/*"]
  }
}
