# Whoever deploys the kit makes and changes what bears its names, and roles only with a boundary of the kit. Of objects
# he reaches code, the key registry and Terraform's state; at Identity Center and Lake Formation he looks. He signs nothing,
# and cannot loosen what caps him.

locals {
  environment = regex("^(.*)-([a-z0-9]+)$", var.prefix)
}

data "aws_iam_policy_document" "ci" {
  count = var.purpose == "ci" ? 1 : 0

  statement {
    sid = "ThingsOfTheKit"
    actions = [
      "athena:*",
      "cloudtrail:*",
      "cloudwatch:*",
      "events:*",
      "firehose:*",
      "glue:*",
      "identitystore:Describe*",
      "identitystore:Get*",
      "lambda:*",
      "logs:*",
      "s3:*",
      "sns:*",
      "sqs:*",
      "sso:Describe*",
      "sso:Get*",
      "sso:List*",
    ]
    resources = concat(local.catalog, [
      "arn:${local.partition}:identitystore::*:*",
      "arn:${local.partition}:sso:::*",
      "${local.here["athena"]}:workgroup/${var.prefix}",
      "${local.here["cloudtrail"]}:trail/${var.prefix}",
      "${local.here["cloudwatch"]}:alarm:${var.prefix}-*",
      "${local.here["events"]}:rule/${var.prefix}-*",
      "${local.here["firehose"]}:deliverystream/${var.prefix}-*",
      "${local.here["glue"]}:*/${var.prefix}-*",
      "${local.here["glue"]}:userDefinedFunction/${local.database}/*",
      "${local.here["lambda"]}:function:${var.prefix}-*",
      "${local.here["logs"]}:log-group:/aws*/${var.prefix}*",
      "${local.here["sns"]}:${var.prefix}-*",
      "${local.here["sqs"]}:${var.prefix}-*",
      local.buckets,
      "${local.bucket["artifacts"]}/*",
      "${local.bucket["provenance"]}/keys/*",
      "${local.bucket["state"]}/*",
    ])
  }

  # These have no resource to name.
  statement {
    sid = "WhatHasNoName"
    actions = [
      "cloudtrail:DescribeTrails",
      "glue:*SecurityConfiguration",
      "kms:ListAliases",
      "lakeformation:Describe*",
      "lakeformation:Get*",
      "lakeformation:List*",
      "logs:DescribeLogGroups",
      "sns:GetSubscriptionAttributes",
      "sso:ListInstances",
    ]
    resources = ["*"]
  }

  # An event source has an id of its own: it is the kit's by its function.
  statement {
    sid       = "EventSourcesOfTheKit"
    actions   = ["lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"]
    resources = ["*"]

    condition {
      test     = "ArnLike"
      variable = "lambda:FunctionArn"
      values   = ["${local.here["lambda"]}:function:${var.prefix}-*"]
    }
  }

  statement {
    sid       = "EventSourcesHaveTags"
    actions   = ["lambda:*Resource", "lambda:GetEventSourceMapping", "lambda:ListTags"]
    resources = ["${local.here["lambda"]}:event-source-mapping:*"]
  }

  # A key has no name before it exists, and an id that nobody knows: it is the kit's by its tags, from the first. One
  # with an alias is somebody's already, and is not taken from him by a tag.
  statement {
    sid       = "KeysAreMadeForTheKit"
    actions   = ["kms:CreateKey", "kms:TagResource"]
    resources = ["*"]

    condition {
      test     = "Null"
      variable = "kms:ResourceAliases"
      values   = ["true"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/project"
      values   = [local.environment[0]]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/environment"
      values   = [local.environment[1]]
    }
  }

  statement {
    sid = "KeysOfTheKit"
    actions = [
      "kms:*Alias",
      "kms:CreateGrant",
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:EnableKey*",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:Get*",
      "kms:List*",
      "kms:PutKeyPolicy",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateKeyDescription",
    ]
    resources = ["${local.here["kms"]}:key/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/project"
      values   = [local.environment[0]]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/environment"
      values   = [local.environment[1]]
    }
  }

  statement {
    sid       = "AliasesOfTheKit"
    actions   = ["kms:*Alias"]
    resources = ["${local.here["kms"]}:alias/${var.prefix}-*"]
  }

  # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate
  statement {
    sid = "RolesHaveABoundary"
    actions = [
      "iam:CreateRole",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:PutRolePermissionsBoundary",
      "iam:PutRolePolicy",
    ]
    resources = ["${local.iam}:role/${var.prefix}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [local.arns["people"], local.arns["service"]]
    }
  }

  statement {
    sid = "RolesOfTheKit"
    actions = [
      "iam:DeleteRole",
      "iam:Get*",
      "iam:List*",
      "iam:TagRole",
      "iam:UntagRole",
      "iam:Update*",
    ]
    resources = ["${local.iam}:policy/${var.prefix}-*", "${local.iam}:role/${var.prefix}-*"]
  }

  statement {
    sid       = "RolesGoToTheirServices"
    actions   = ["iam:PassRole"]
    resources = ["${local.iam}:role/${var.prefix}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = [for service in ["cloudtrail", "firehose", "glue", "lambda"] : "${service}.amazonaws.com"]
    }
  }

  # Nor is a boundary taken off, or one's own role changed.
  statement {
    sid       = "NobodyLoosensWhatCapsHim"
    effect    = "Deny"
    actions   = ["iam:*"]
    resources = concat(values(local.arns), ["${local.iam}:role/${var.prefix}-apply", "${local.iam}:role/${var.prefix}-plan"])
  }

  statement {
    sid    = "NobodyDeletesEvidence"
    effect = "Deny"
    actions = [
      "s3:BypassGovernanceRetention",
      "s3:DeleteObject*",
      "s3:PutObjectLegalHold",
    ]
    resources = [for arn in local.evidence : "${arn}/*"]
  }

  statement {
    sid    = "NobodySignsReadsOrSlipsAway"
    effect = "Deny"
    actions = [
      "cloudtrail:DeleteTrail",
      "cloudtrail:StopLogging",
      "iam:DeleteRolePermissionsBoundary",
      "kms:Sign",
      "lakeformation:GetDataAccess",
    ]
    resources = ["*"]
  }

  # What keeps the state, and the state of what is made here, is an administrator's.
  statement {
    sid     = "NobodyChangesBootstrap"
    effect  = "Deny"
    actions = ["s3:Delete*", "s3:Put*"]
    resources = [
      local.bucket["state"],
      local.bucket["state-logs"],
      "${local.bucket["state"]}/*/bootstrap.tfstate*",
      "${local.bucket["state-logs"]}/*",
    ]
  }

  statement {
    sid       = "NobodyChangesStateKey"
    effect    = "Deny"
    actions   = ["kms:*Alias", "kms:*Resource", "kms:CreateGrant", "kms:PutKeyPolicy"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/managed_by"
      values   = ["bootstrap"]
    }
  }
}
