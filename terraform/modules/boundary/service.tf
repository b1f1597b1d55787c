data "aws_iam_policy_document" "service" {
  count = var.purpose == "service" ? 1 : 0

  statement {
    sid = "ObjectsOfTheKit"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:GetBucketLocation",
      "s3:GetObject",
      "s3:GetObjectVersion",
      "s3:ListBucket",
      "s3:ListBucketMultipartUploads",
      "s3:ListBucketVersions",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = [local.buckets, "${local.buckets}/*"]
  }

  # A key's id is random; its alias is not.
  # https://docs.aws.amazon.com/kms/latest/developerguide/alias-authorization.html
  statement {
    sid       = "KeysOfTheKit"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey", "kms:Sign", "kms:Verify"]
    resources = ["${local.here["kms"]}:key/*"]

    condition {
      test     = "ForAnyValue:StringLike"
      variable = "kms:ResourceAliases"
      values   = ["alias/${var.prefix}-*"]
    }
  }

  statement {
    sid       = "QueuesOfTheKit"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
    resources = ["${local.here["sqs"]}:${var.prefix}-*"]
  }

  statement {
    sid     = "LogsOfTheKit"
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [
      "${local.here["logs"]}:log-group:/aws-glue/jobs/${var.prefix}-*",
      "${local.here["logs"]}:log-group:/aws/cloudtrail/${var.prefix}:*",
      "${local.here["logs"]}:log-group:/aws/kinesisfirehose/${var.prefix}-*",
      "${local.here["logs"]}:log-group:/aws/lambda/${var.prefix}-*",
    ]
  }

  # Glue sets its log groups' key in the job's name.
  statement {
    sid       = "LogsOfJobs"
    actions   = ["logs:AssociateKmsKey", "logs:CreateLogGroup"]
    resources = ["${local.here["logs"]}:log-group:/aws-glue/jobs/${var.prefix}-*"]
  }

  statement {
    sid = "CatalogOfTheKit"
    actions = [
      "glue:GetDatabase",
      "glue:GetPartition",
      "glue:GetPartitions",
      "glue:GetTable",
      "glue:GetTableVersion",
      "glue:GetTableVersions",
      "glue:GetTables",
      "glue:UpdateTable",
    ]
    resources = local.catalog
  }

  statement {
    sid       = "JobsOfTheKit"
    actions   = ["glue:GetJobRun", "glue:GetJobRuns", "glue:StartJobRun"]
    resources = ["${local.here["glue"]}:job/${var.prefix}-*"]
  }

  # https://docs.aws.amazon.com/glue/latest/dg/data-quality-authorization.html
  statement {
    sid       = "RulesetsOfTheKit"
    actions   = ["glue:GetDataQualityRuleset*", "glue:PublishDataQuality"]
    resources = ["${local.here["glue"]}:dataQualityRuleset/${var.prefix}-*"]
  }

  statement {
    sid = "QueriesOfTheKit"
    actions = [
      "athena:GetQueryExecution",
      "athena:GetQueryResults",
      "athena:GetWorkGroup",
      "athena:StartQueryExecution",
      "athena:StopQueryExecution",
    ]
    resources = ["${local.here["athena"]}:workgroup/${var.prefix}"]
  }

  statement {
    sid       = "TrailOfTheKit"
    actions   = ["cloudtrail:GetTrailStatus"]
    resources = ["${local.here["cloudtrail"]}:trail/${var.prefix}"]
  }

  # The public keys of CloudTrail's digests belong to no trail: the action has no resource.
  statement {
    sid       = "PublicKeysOfDigests"
    actions   = ["cloudtrail:ListPublicKeys"]
    resources = ["*"]
  }

  # Nothing is granted here: Lake Formation, where it governs, decides what this reads. The action has no resource.
  statement {
    sid       = "DataThatLakeFormationGrants"
    actions   = ["lakeformation:GetDataAccess"]
    resources = ["*"]
  }

  statement {
    sid       = "AlertsOfTheKit"
    actions   = ["sns:Publish"]
    resources = ["${local.here["sns"]}:${var.prefix}-alerts"]
  }

  statement {
    sid    = "NoServiceAdministers"
    effect = "Deny"
    actions = [
      "cloudtrail:DeleteTrail",
      "cloudtrail:PutEventSelectors",
      "cloudtrail:StopLogging",
      "cloudtrail:UpdateTrail",
      "iam:*",
      "kms:CreateGrant",
      "kms:DisableKey",
      "kms:PutKeyPolicy",
      "kms:ScheduleKeyDeletion",
      "lambda:AddPermission",
      "lambda:Update*",
      "organizations:*",
      "s3:DeleteBucket*",
      "s3:PutBucket*",
      "s3:PutEncryptionConfiguration",
      "s3:PutLifecycleConfiguration",
      "s3:PutReplicationConfiguration",
      "sns:AddPermission",
      "sns:SetTopicAttributes",
      "sqs:AddPermission",
      "sqs:SetQueueAttributes",
      "sts:AssumeRole",
    ]
    resources = ["*"]
  }

  statement {
    sid    = "NoServiceDeletesEvidence"
    effect = "Deny"
    actions = [
      "s3:BypassGovernanceRetention",
      "s3:DeleteObject*",
      "s3:PutObjectLegalHold",
      "s3:PutObjectRetention",
    ]
    resources = [for arn in local.evidence : "${arn}/*"]
  }
}
