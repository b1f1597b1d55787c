# What a plan reads; both roles may do so. For each resource type in the root, these are the calls that the provider makes to
# refresh it. They were taken from the provider's log of a plan; tests/plan/test_ci_roles.py has the list by type.
# https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html

data "aws_iam_policy_document" "read" {
  # checkov:skip=CKV_AWS_356:CloudWatch tells of composite alarms only those who may describe all alarms
  # aws_s3_bucket and its configuration resources. The provider checks that a bucket exists with HeadBucket, which needs s3:ListBucket.
  statement {
    sid = "ReadBucketSettings"
    actions = [
      "s3:GetAccelerateConfiguration",
      "s3:GetBucketAcl",
      "s3:GetBucketCORS",
      "s3:GetBucketLogging",
      "s3:GetBucketNotification",
      "s3:GetBucketObjectLockConfiguration",
      "s3:GetBucketOwnershipControls",
      "s3:GetBucketPolicy",
      "s3:GetBucketPublicAccessBlock",
      "s3:GetBucketRequestPayment",
      "s3:GetBucketTagging",
      "s3:GetBucketVersioning",
      "s3:GetBucketWebsite",
      "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration",
      "s3:GetReplicationConfiguration",
      "s3:ListBucket",
    ]
    resources = [local.kit.buckets]
  }

  # aws_s3_object: code and the key registry, which Terraform manages. No other object. Reading its Object Lock settings
  # requires s3:GetObjectRetention.
  statement {
    sid       = "ReadPlacedObjects"
    actions   = ["s3:GetObject", "s3:GetObjectRetention", "s3:GetObjectTagging"]
    resources = [local.kit.code, local.kit.registry]
  }

  # aws_s3_object again: HeadObject returns the checksum only to callers that may decrypt. The encryption context is the
  # bucket (it has an S3 Bucket Key), so this allows decrypting objects of these two buckets only.
  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
  statement {
    sid       = "DecryptPlacedObjects"
    actions   = ["kms:Decrypt"]
    resources = [local.kit.keys]

    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:aws:s3:arn"
      values   = [trimsuffix(local.kit.code, "/*"), trimsuffix(local.kit.registry, "/keys/registry.json")]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.${data.aws_partition.current.dns_suffix}"]
    }
  }

  # aws_lambda_function: without it, GetFunction omits the environment, and every plan would set it again.
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
  statement {
    sid       = "DecryptFunctionSettings"
    actions   = ["kms:Decrypt"]
    resources = [local.kit.keys]

    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:lambda:FunctionArn"
      values   = [local.kit.functions]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["lambda.${var.region}.${data.aws_partition.current.dns_suffix}"]
    }
  }

  # aws_kms_key, and data.aws_kms_public_key for the registry of signing keys.
  statement {
    sid = "ReadKeys"
    actions = [
      "kms:DescribeKey",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:GetPublicKey",
      "kms:ListResourceTags",
    ]
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

  # aws_iam_role, its policies, and the check that it has no others.
  statement {
    sid       = "ReadRoles"
    actions   = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"]
    resources = [local.kit.roles]
  }

  # aws_lambda_function, _permission, _function_event_invoke_config and _event_source_mapping.
  statement {
    sid = "ReadFunctions"
    actions = [
      "lambda:GetEventSourceMapping",
      "lambda:GetFunction",
      "lambda:GetFunctionCodeSigningConfig",
      "lambda:GetFunctionEventInvokeConfig",
      "lambda:GetPolicy",
      "lambda:ListTags",
      "lambda:ListVersionsByFunction",
    ]
    resources = [local.kit.functions, local.kit.mappings]
  }

  # aws_sqs_queue, aws_sns_topic.
  statement {
    sid       = "ReadQueuesAndTopics"
    actions   = ["sns:GetTopicAttributes", "sns:ListTagsForResource", "sqs:GetQueueAttributes", "sqs:ListQueueTags"]
    resources = [local.kit.queues, local.kit.topics]
  }

  # aws_cloudtrail, aws_cloudwatch_event_rule and _target, aws_cloudwatch_metric_alarm and _dashboard,
  # aws_cloudwatch_log_group and _metric_filter.
  statement {
    sid = "ReadWhatWatches"
    actions = [
      "cloudtrail:GetEventSelectors",
      "cloudtrail:GetTrailStatus",
      "cloudtrail:ListTags",
      "cloudwatch:GetDashboard",
      "cloudwatch:ListTagsForResource",
      "events:DescribeRule",
      "events:ListTagsForResource",
      "events:ListTargetsByRule",
      "logs:DescribeLogStreams",
      "logs:DescribeMetricFilters",
      "logs:ListTagsForResource",
    ]
    resources = concat([local.kit.alarms, local.kit.dashboards, local.kit.rules, local.kit.trail], local.kit.log_groups)
  }

  # aws_kinesis_firehose_delivery_stream.
  statement {
    sid       = "ReadStreams"
    actions   = ["firehose:DescribeDeliveryStream", "firehose:ListTagsForDeliveryStream"]
    resources = [local.kit.streams]
  }

  # aws_glue_catalog_database, aws_glue_catalog_table, aws_glue_job, aws_glue_data_quality_ruleset, aws_athena_workgroup,
  # aws_athena_named_query.
  statement {
    sid = "ReadCatalogJobsAndWorkgroup"
    actions = [
      "athena:GetNamedQuery",
      "athena:GetWorkGroup",
      "athena:ListTagsForResource",
      "glue:GetDataQualityRuleset",
      "glue:GetDatabase",
      "glue:GetJob",
      "glue:GetPartitionIndexes",
      "glue:GetTable",
      "glue:GetTags",
    ]
    resources = [local.kit.catalog, local.kit.database, local.kit.jobs, local.kit.rulesets, local.kit.tables, local.kit.workgroup]
  }

  # aws_kms_alias, aws_cloudwatch_log_group, aws_cloudtrail, aws_glue_security_configuration, aws_sns_topic_subscription; and
  # aws_lakeformation_*, if the root has them. These actions have no resource-level permissions; and
  # aws_cloudwatch_composite_alarm: CloudWatch tells of it only those who may describe all alarms.
  statement {
    sid = "ListWhatHasNoName"
    actions = [
      "cloudtrail:DescribeTrails",
      "cloudwatch:DescribeAlarms",
      "glue:GetSecurityConfiguration",
      "kms:ListAliases",
      "lakeformation:DescribeResource",
      "lakeformation:GetDataCellsFilter",
      "lakeformation:GetDataLakeSettings",
      "lakeformation:ListPermissions",
      "logs:DescribeLogGroups",
      "sns:GetSubscriptionAttributes",
      "sso:ListInstances",
    ]
    resources = ["*"]
  }

  # aws_ssoadmin_*, if the root has them: the instance belongs to the organization, and the ids are random.
  statement {
    sid = "ReadPermissionSets"
    actions = [
      "identitystore:DescribeGroup",
      "identitystore:GetGroupId",
      "sso:DescribePermissionSet",
      "sso:GetInlinePolicyForPermissionSet",
      "sso:GetPermissionsBoundaryForPermissionSet",
      "sso:ListAccountAssignments",
      "sso:ListTagsForResource",
    ]
    resources = [
      "arn:${local.partition}:identitystore:::group/*",
      "arn:${local.partition}:identitystore::*:identitystore/*",
      "arn:${local.partition}:sso:::account/${var.account_id}",
      "arn:${local.partition}:sso:::instance/*",
      "arn:${local.partition}:sso:::permissionSet/*",
    ]
  }
}

# A managed policy: there is no room for it among the inline policies of the apply role.
resource "aws_iam_policy" "read" {
  # checkov:skip=CKV_AWS_355:CloudWatch tells of composite alarms only those who may describe all alarms
  name        = "${local.prefix}-ci-read"
  description = "Lets a plan read the resources of ${local.prefix}"
  policy      = data.aws_iam_policy_document.read.json

  lifecycle {
    precondition {
      condition     = length(replace(data.aws_iam_policy_document.read.json, "/\\s/", "")) <= 6144
      error_message = "The policy read must not exceed 6144 characters, not counting white space: this is IAM's limit. Shorten the name."
    }
  }
}

# Built from the name, which is known at plan; the reference keeps the order.
locals {
  read_policy_arn = "${local.iam}:policy/${aws_iam_policy.read.name}"
}

# https://developer.hashicorp.com/terraform/language/backend/s3#permissions-required
data "aws_iam_policy_document" "read_state" {
  statement {
    sid       = "FindState"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns["state"]]
  }

  statement {
    sid       = "ReadState"
    actions   = ["s3:GetObject"]
    resources = [local.state_arn]
  }

  # A plan locks the state as an apply does: it creates a lock file, and deletes it at the end.
  statement {
    sid       = "HoldLock"
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = [local.lock_arn]
  }

  statement {
    sid       = "DecryptStateAndEncryptLock"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.state_key.arn]
  }
}
