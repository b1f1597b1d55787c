# What an apply changes, in addition to what it reads: the kit's resources, by their names. Destroying an environment,
# stopping its trail and scheduling a key's deletion are not allowed here: an administrator does those.

data "aws_iam_policy_document" "write_state" {
  statement {
    sid       = "WriteState"
    actions   = ["s3:PutObject"]
    resources = [local.state_arn]
  }
}

# aws_s3_bucket and its configuration resources, aws_s3_object.
data "aws_iam_policy_document" "change_storage" {
  statement {
    sid = "ChangeBuckets"
    actions = [
      "s3:CreateBucket",
      "s3:DeleteBucket",
      "s3:DeleteBucketPolicy",
      "s3:PutBucketLogging",
      "s3:PutBucketNotification",
      "s3:PutBucketObjectLockConfiguration",
      "s3:PutBucketOwnershipControls",
      "s3:PutBucketPolicy",
      "s3:PutBucketPublicAccessBlock",
      "s3:PutBucketTagging",
      "s3:PutBucketVersioning",
      "s3:PutEncryptionConfiguration",
      "s3:PutLifecycleConfiguration",
      "s3:PutReplicationConfiguration",
    ]
    resources = [local.kit.buckets]
  }

  # The registry object sets its own retain-until date, hence the retention.
  statement {
    sid       = "PlaceObjects"
    actions   = ["s3:PutObject", "s3:PutObjectRetention", "s3:PutObjectTagging"]
    resources = [local.kit.code, local.kit.dags, local.kit.registry]
  }

  # The provider deletes every version of replaced code. The registry is evidence and is not deleted.
  statement {
    sid       = "RemoveOldCode"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    resources = [local.kit.code, local.kit.dags]
  }

  statement {
    sid       = "FindOldCode"
    actions   = ["s3:ListBucketVersions"]
    resources = [trimsuffix(local.kit.code, "/*"), trimsuffix(local.kit.dags, "/*")]
  }

  statement {
    sid       = "EncryptPlacedObjects"
    actions   = ["kms:GenerateDataKey"]
    resources = [local.kit.keys]

    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:aws:s3:arn"
      values   = [trimsuffix(local.kit.code, "/*"), trimsuffix(local.kit.dags, "/*"), trimsuffix(local.kit.registry, "/keys/registry.json")]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

# aws_kms_key, aws_kms_alias.
data "aws_iam_policy_document" "change_keys" {
  # CreateKey does not support resource-level permissions. A key is created only with the kit's tags.
  statement {
    sid       = "CreateKeys"
    actions   = ["kms:CreateKey"]
    resources = ["*"]

    dynamic "condition" {
      for_each = local.kit_tags

      content {
        test     = "StringEquals"
        variable = "aws:RequestTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid       = "ChangeKeys"
    actions   = concat(local.key_changes, ["kms:TagResource", "kms:UntagResource"])
    resources = [local.kit.keys]

    dynamic "condition" {
      for_each = local.kit_tags

      content {
        test     = "StringEquals"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  # A new key has no tag and no alias yet. A key that has either may belong to somebody else, and is not tagged.
  # https://docs.aws.amazon.com/kms/latest/developerguide/tag-permissions.html
  statement {
    sid       = "TagNewKeys"
    actions   = ["kms:TagResource"]
    resources = [local.kit.keys]

    dynamic "condition" {
      for_each = local.kit_tags

      content {
        test     = "StringEquals"
        variable = "aws:RequestTag/${condition.key}"
        values   = [condition.value]
      }
    }

    dynamic "condition" {
      for_each = toset([for tag in keys(local.kit_tags) : "aws:ResourceTag/${tag}"])

      content {
        test     = "Null"
        variable = condition.value
        values   = ["true"]
      }
    }

    condition {
      test     = "Null"
      variable = "kms:ResourceAliases"
      values   = ["true"]
    }
  }

  # Changing an alias requires permission on both the alias and its key.
  statement {
    sid       = "NameKeys"
    actions   = ["kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"]
    resources = [local.kit.aliases]
  }
}

locals {
  key_changes = [
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:PutKeyPolicy",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
  ]
}

# aws_iam_role, aws_iam_role_policy, and the removal of any other policies.
data "aws_iam_policy_document" "change_roles" {
  # A role can be created or changed only with one of the kit's boundaries, and its boundary cannot be removed.
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
  statement {
    sid = "ChangeRolesWithinTheirBoundary"
    actions = [
      "iam:CreateRole",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:PutRolePermissionsBoundary",
      "iam:PutRolePolicy",
    ]
    resources = [local.kit.roles]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [for purpose in ["orchestrator", "people", "service"] : module.boundary[purpose].arn]
    }
  }

  # These actions have no condition key for the boundary; they do not change a role's permissions.
  statement {
    sid = "ChangeWhatRolesAreCalled"
    actions = [
      "iam:DeleteRole",
      "iam:ListInstanceProfilesForRole",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole",
    ]
    resources = [local.kit.roles]
  }

  statement {
    sid       = "HandRolesToServices"
    actions   = ["iam:PassRole"]
    resources = [local.kit.roles]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = [for service in ["airflow", "airflow-env", "cloudtrail", "ecs-tasks", "events", "firehose", "glue", "lambda", "s3", "vpc-flow-logs"] : "${service}.amazonaws.com"]
    }
  }
}

# aws_lambda_function, _permission, _function_event_invoke_config and _event_source_mapping, aws_sqs_queue.
data "aws_iam_policy_document" "change_functions" {
  statement {
    sid = "ChangeFunctions"
    actions = [
      "lambda:AddPermission",
      "lambda:CreateFunction",
      "lambda:DeleteFunction",
      "lambda:DeleteFunctionEventInvokeConfig",
      "lambda:PutFunctionEventInvokeConfig",
      "lambda:RemovePermission",
      "lambda:TagResource",
      "lambda:UntagResource",
      "lambda:UpdateFunctionCode",
      "lambda:UpdateFunctionConfiguration",
    ]
    resources = [local.kit.functions, local.kit.mappings]
  }

  # A mapping's id is random, and CreateEventSourceMapping has no resource-level permissions: the function's ARN limits it.
  statement {
    sid       = "ConnectFunctions"
    actions   = ["lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"]
    resources = ["*"]

    condition {
      test     = "ArnLike"
      variable = "lambda:FunctionArn"
      values   = [local.kit.functions]
    }
  }

  # A function's environment is encrypted under a KMS grant that the creator of the function gives to Lambda.
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
  statement {
    sid       = "EncryptFunctionSettings"
    actions   = ["kms:CreateGrant", "kms:Encrypt", "kms:GenerateDataKey"]
    resources = [local.kit.keys]

    dynamic "condition" {
      for_each = local.kit_tags

      content {
        test     = "StringEquals"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["lambda.${var.region}.${data.aws_partition.current.dns_suffix}"]
    }
  }

  statement {
    sid       = "ChangeQueues"
    actions   = ["sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"]
    resources = [local.kit.queues]
  }
}

# aws_kinesis_firehose_delivery_stream.
data "aws_iam_policy_document" "change_streams" {
  statement {
    sid = "ChangeStreams"
    actions = [
      "firehose:CreateDeliveryStream",
      "firehose:DeleteDeliveryStream",
      "firehose:StartDeliveryStreamEncryption",
      "firehose:StopDeliveryStreamEncryption",
      "firehose:TagDeliveryStream",
      "firehose:UntagDeliveryStream",
      "firehose:UpdateDestination",
    ]
    resources = [local.kit.streams]
  }

  # Firehose encrypts buffered records under a KMS grant that the creator of the stream gives to it.
  # https://docs.aws.amazon.com/firehose/latest/APIReference/API_DeliveryStreamEncryptionConfigurationInput.html
  statement {
    sid       = "LetFirehoseEncrypt"
    actions   = ["kms:CreateGrant"]
    resources = [local.kit.keys]

    dynamic "condition" {
      for_each = local.kit_tags

      content {
        test     = "StringEquals"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }

    condition {
      test     = "Bool"
      variable = "kms:GrantIsForAWSResource"
      values   = ["true"]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["firehose.${var.region}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

# aws_glue_catalog_database, aws_glue_catalog_table, aws_glue_job, aws_glue_trigger, aws_glue_data_quality_ruleset,
# aws_glue_security_configuration, aws_athena_workgroup, aws_athena_named_query.
data "aws_iam_policy_document" "change_queries" {
  statement {
    sid = "ChangeCatalog"
    actions = [
      "glue:CreateDatabase",
      "glue:CreateTable",
      "glue:DeleteDatabase",
      "glue:DeleteTable",
      "glue:TagResource",
      "glue:UntagResource",
      "glue:UpdateDatabase",
      "glue:UpdateTable",
    ]
    resources = [local.kit.catalog, local.kit.database, local.kit.tables, local.kit.user_functions]
  }

  statement {
    sid = "ChangeJobs"
    actions = [
      "glue:CreateDataQualityRuleset",
      "glue:CreateJob",
      "glue:CreateTrigger",
      "glue:DeleteDataQualityRuleset",
      "glue:DeleteJob",
      "glue:DeleteTrigger",
      "glue:StartTrigger",
      "glue:StopTrigger",
      "glue:TagResource",
      "glue:UntagResource",
      "glue:UpdateDataQualityRuleset",
      "glue:UpdateJob",
      "glue:UpdateTrigger",
    ]
    resources = [local.kit.jobs, local.kit.rulesets, local.kit.triggers]
  }

  # Security configurations do not support resource-level permissions.
  statement {
    sid       = "ChangeSecurityOfJobs"
    actions   = ["glue:CreateSecurityConfiguration", "glue:DeleteSecurityConfiguration"]
    resources = ["*"]
  }

  statement {
    sid = "ChangeWorkgroup"
    actions = [
      "athena:CreateNamedQuery",
      "athena:CreateWorkGroup",
      "athena:DeleteNamedQuery",
      "athena:DeleteWorkGroup",
      "athena:TagResource",
      "athena:UntagResource",
      "athena:UpdateNamedQuery",
      "athena:UpdateWorkGroup",
    ]
    resources = [local.kit.workgroup]
  }
}

# aws_cloudtrail, aws_cloudwatch_event_rule and _target, aws_cloudwatch_metric_alarm, _composite_alarm and
# _dashboard, aws_cloudwatch_log_group and _metric_filter, aws_sns_topic, aws_sns_topic_subscription.
data "aws_iam_policy_document" "change_watch" {
  # Allows starting the trail and setting what it logs, not stopping or deleting it.
  statement {
    sid = "ChangeTrail"
    actions = [
      "cloudtrail:AddTags",
      "cloudtrail:CreateTrail",
      "cloudtrail:PutEventSelectors",
      "cloudtrail:RemoveTags",
      "cloudtrail:StartLogging",
      "cloudtrail:UpdateTrail",
    ]
    resources = [local.kit.trail]
  }

  statement {
    sid = "ChangeAlarmsAndRules"
    actions = [
      "cloudwatch:DeleteAlarms",
      "cloudwatch:DeleteDashboards",
      "cloudwatch:PutCompositeAlarm",
      "cloudwatch:PutDashboard",
      "cloudwatch:PutMetricAlarm",
      "cloudwatch:TagResource",
      "cloudwatch:UntagResource",
      "events:DeleteRule",
      "events:PutRule",
      "events:PutTargets",
      "events:RemoveTargets",
      "events:TagResource",
      "events:UntagResource",
    ]
    resources = [local.kit.alarms, local.kit.dashboards, local.kit.rules]
  }

  statement {
    sid = "ChangeLogGroups"
    actions = [
      "logs:AssociateKmsKey",
      "logs:CreateLogGroup",
      "logs:CreateLogStream",
      "logs:DeleteLogGroup",
      "logs:DeleteLogStream",
      "logs:DeleteMetricFilter",
      "logs:PutMetricFilter",
      "logs:PutRetentionPolicy",
      "logs:TagResource",
      "logs:UntagResource",
    ]
    resources = concat(local.kit.log_groups, [local.kit.airflow_logs])
  }

  statement {
    sid = "ChangeTopic"
    actions = [
      "sns:CreateTopic",
      "sns:DeleteTopic",
      "sns:SetTopicAttributes",
      "sns:TagResource",
      "sns:UntagResource",
    ]
    resources = [local.kit.topics]
  }

  # Addresses are only added; to unsubscribe, use the link in the e-mail: sns:Unsubscribe would apply to every topic of the account,
  # as would sns:SetSubscriptionAttributes: an administrator changes the severities of an address.
  statement {
    sid       = "SubscribeAddresses"
    actions   = ["sns:Subscribe"]
    resources = [local.kit.topics]

    condition {
      test     = "StringEquals"
      variable = "sns:Protocol"
      values   = ["email"]
    }
  }
}
