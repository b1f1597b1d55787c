data "aws_iam_policy_document" "service" {
  count = var.purpose == "service" ? 1 : 0

  statement {
    sid = "ObjectsOfTheKit"
    actions = concat(length(local.copies) == 0 ? [] : [
      "s3:GetObjectLegalHold",
      "s3:GetObjectRetention",
      "s3:GetObjectVersionAcl",
      "s3:GetObjectVersionForReplication",
      "s3:GetObjectVersionTagging",
      "s3:GetReplicationConfiguration",
      ], [
      "s3:AbortMultipartUpload",
      "s3:GetBucketLocation",
      "s3:GetObject",
      "s3:GetObjectVersion",
      "s3:ListBucket",
      "s3:ListBucketMultipartUploads",
      "s3:ListBucketVersions",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ])
    resources = [local.buckets, "${local.buckets}/*"]
  }

  # Buckets of the account that are not the kit's, and their keys.
  dynamic "statement" {
    for_each = length(local.adopted_arns) > 0 ? ["adopted"] : []

    content {
      sid       = "AdoptedVersions"
      actions   = ["s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"]
      resources = concat(local.adopted_arns, local.adopted_object_arns)
    }
  }

  # The files of a trail that somebody has.
  dynamic "statement" {
    for_each = length(local.trail_arns) > 0 ? ["existing"] : []

    content {
      sid       = "ExistingTrail"
      actions   = ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"]
      resources = concat(local.trail_arns, local.trail_object_arns)
    }
  }

  dynamic "statement" {
    for_each = length(local.foreign_key_arns) > 0 ? ["keys"] : []

    content {
      sid       = "AdoptedKeys"
      actions   = ["kms:Decrypt"]
      resources = local.foreign_key_arns

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["s3.*"]
      }
    }
  }

  # The second copy of evidence, and its key.
  dynamic "statement" {
    for_each = length(local.copies) > 0 ? ["copy"] : []

    content {
      sid = "CopyOfEvidence"
      actions = [
        "kms:Decrypt",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "s3:ObjectOwnerOverrideToBucketOwner",
        "s3:ReplicateObject",
        "s3:ReplicateTags",
      ]
      resources = concat(local.copy_object_arns, values(local.copies))
    }
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

  # Each action applies only to its own resource type, whatever else is listed: one statement leaves room in the 6144 characters.
  # https://docs.aws.amazon.com/glue/latest/dg/data-quality-authorization.html
  statement {
    sid = "OfTheKit"
    actions = [
      "athena:GetQueryExecution",
      "athena:GetQueryResults",
      "athena:GetWorkGroup",
      "athena:StartQueryExecution",
      "athena:StopQueryExecution",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
      "ecs:RunTask",
      "glue:GetConnection",
      "glue:GetDataQualityRuleset",
      "glue:GetDataQualityRulesetEvaluationRun",
      "glue:GetDatabase",
      "glue:GetJobRun",
      "glue:GetJobRuns",
      "glue:GetPartition",
      "glue:GetPartitions",
      "glue:GetTable",
      "glue:GetTableVersion",
      "glue:GetTableVersions",
      "glue:GetTables",
      "glue:PublishDataQuality",
      "glue:StartJobRun",
      "glue:UpdateTable",
      "iam:PassRole",
      "logs:CreateLogStream",
      "logs:DescribeLogStreams",
      "logs:PutLogEvents",
      "secretsmanager:DescribeSecret",
      "secretsmanager:GetSecretValue",
      "secretsmanager:PutSecretValue",
      "secretsmanager:UpdateSecretVersionStage",
      "sns:Publish",
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
    ]
    resources = concat(local.catalog, [
      "${local.here["athena"]}:workgroup/${var.prefix}",
      "${local.here["ecr"]}:repository/${var.prefix}-*",
      "${local.here["ecs"]}:task-definition/${var.prefix}-*",
      "${local.here["glue"]}:connection/${var.prefix}-*",
      "${local.here["glue"]}:dataQualityRuleset/${var.prefix}-*",
      "${local.here["glue"]}:job/${var.prefix}-*",
      "${local.here["logs"]}:log-group:/aws-glue/jobs/${var.prefix}-*",
      "${local.here["logs"]}:log-group:/aws/*/${var.prefix}-*",
      "${local.here["logs"]}:log-group:/aws/cloudtrail/${var.prefix}:*",
      "${local.here["logs"]}:log-group:/aws/vpc/${var.prefix}:*",
      "${local.here["secretsmanager"]}:secret:${var.prefix}-*",
      "${local.here["sns"]}:${var.prefix}-alerts",
      "${local.here["sqs"]}:${var.prefix}-*",
      "${local.iam}:role/${var.prefix}-*",
    ])
  }

  # Glue sets the key of its log groups with the job's role.
  statement {
    sid       = "LogsOfJobs"
    actions   = ["logs:AssociateKmsKey", "logs:CreateLogGroup"]
    resources = ["${local.here["logs"]}:log-group:/aws-glue/jobs/${var.prefix}-*"]
  }

  # Lambda and Glue attach functions and jobs to a network with the function's or job's role. All ids are random.
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
  statement {
    sid = "InterfacesInNetworksOfTheAccount"
    actions = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeVpcAttribute",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = [for type in ["network-interface", "security-group", "subnet", "vpc"] : "${local.here["ec2"]}:${type}/*"]
  }

  # Glue tags only the interfaces that it has created.
  # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSGlueServiceRole.html
  statement {
    sid       = "InterfacesOfGlueMarked"
    actions   = ["ec2:CreateTags", "ec2:DeleteTags"]
    resources = ["${local.here["ec2"]}:network-interface/*"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "aws:TagKeys"
      values   = ["aws-glue-service-resource"]
    }
  }

  # Describe actions, and signing in to a registry of images, have no resource-level permissions.
  statement {
    sid = "NetworksDescribed"
    actions = [
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcEndpoints",
      "ecr:GetAuthorizationToken",
    ]
    resources = ["*"]
  }

  # An API's id is random.
  statement {
    sid       = "AccountsBehindApis"
    actions   = ["execute-api:Invoke"]
    resources = ["${local.here["execute-api"]}:*"]
  }

  # Lake Formation's own grants decide what this reads, if it is used. The action has no resource-level permissions.
  statement {
    sid       = "DataThatLakeFormationGrants"
    actions   = ["lakeformation:GetDataAccess"]
    resources = ["*"]
  }

  # The account's default bus has no name of the kit's; the events have.
  statement {
    sid       = "EventsOfTheKit"
    actions   = ["events:PutEvents"]
    resources = ["${local.here["events"]}:event-bus/default"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "events:source"
      values   = ["custody"]
    }
  }

  statement {
    sid    = "NoServiceAdministers"
    effect = "Deny"
    actions = [
      "cloudtrail:*",
      "kms:CreateGrant",
      "kms:DisableKey",
      "kms:PutKeyPolicy",
      "kms:ScheduleKeyDeletion",
      "lambda:*",
      "organizations:*",
      "s3:DeleteBucket*",
      "s3:PutBucket*",
      "s3:Put*Configuration",
      "sns:AddPermission",
      "sns:Set*",
      "sqs:AddPermission",
      "sqs:Set*",
      "sts:AssumeRole",
    ]
    resources = ["*"]
  }

  # A schedule that starts a task hands it its roles, which have this boundary too. Other calls name no service.
  statement {
    sid       = "NoServiceAdministersRoles"
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
    sid    = "NoServiceDeletesEvidence"
    effect = "Deny"
    actions = [
      "s3:BypassGovernanceRetention",
      "s3:DeleteObject*",
      "s3:PutObjectLegalHold",
      "s3:PutObjectRetention",
      "s3:ReplicateDelete",
      "s3:UpdateObjectEncryption",
    ]
    resources = [for arn in local.evidence : "${arn}/*"]
  }
}
