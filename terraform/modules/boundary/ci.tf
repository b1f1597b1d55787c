# The CI roles create and change resources with the kit's names, and roles only with one of the kit's boundaries. Of objects,
# they can access code, the key registry and Terraform's state; Identity Center and Lake Formation are read-only. They can
# change neither a policy nor their own roles. A policy has at most 6144 characters: hence no region, and wildcards in actions.
# Their own policies (terraform/bootstrap) are narrower and name each action; one of them (limits.tf) denies what they must
# never do, such as signing and deleting evidence.

locals {
  environment = regex("^(.*)-([a-z0-9]+)$", var.prefix)
}

data "aws_iam_policy_document" "ci" {
  # checkov:skip=CKV_AWS_356:A boundary grants nothing; the roles' own policies name each resource that there is
  count = var.purpose == "ci" ? 1 : 0

  # Each action applies only to its own resource type, whatever else is listed. The resources of a network have random ids:
  # the roles' own policies identify them by the kit's tags.
  statement {
    sid = "OfTheKit"
    actions = [
      "airflow:*",
      "athena:*",
      "cloudtrail:*",
      "cloudwatch:*",
      "ec2:*FlowLogs",
      "ec2:*RouteTable",
      "ec2:*SecurityGroup*",
      "ec2:*Subnet*",
      "ec2:*Tags",
      "ec2:*Vpc*",
      "ecs:*Cluster*",
      "ecs:*Resource",
      "ecs:RegisterTaskDefinition",
      "events:*",
      "firehose:*",
      "glue:*",
      "iam:*TagRole",
      "iam:DeleteRole",
      "iam:Get*",
      "iam:List*",
      "iam:Update*Role*",
      "kms:*Alias",
      "lambda:*",
      "logs:*",
      "s3:*",
      "secretsmanager:*",
      "sns:*",
      "sqs:*",
    ]
    resources = concat(local.catalog, [
      "${local.here["airflow"]}:environment/${var.prefix}-*",
      "${local.here["athena"]}:workgroup/${var.prefix}",
      "${local.here["cloudtrail"]}:trail/${var.prefix}",
      "${local.here["cloudwatch"]}:alarm:${var.prefix}-*",
      "${local.here["cloudwatch"]}:dashboard/${var.prefix}-*",
      "${local.here["ec2"]}:route-table/*",
      "${local.here["ec2"]}:security-group*",
      "${local.here["ec2"]}:subnet/*",
      "${local.here["ec2"]}:vpc-endpoint/*",
      "${local.here["ec2"]}:vpc-flow-log/*",
      "${local.here["ec2"]}:vpc/*",
      "${local.here["ecs"]}:cluster/${var.prefix}-*",
      "${local.here["ecs"]}:task-definition/${var.prefix}-*",
      "${local.here["events"]}:rule/${var.prefix}-*",
      "${local.here["firehose"]}:deliverystream/${var.prefix}-*",
      "${local.here["glue"]}:connection/${var.prefix}-*",
      "${local.here["glue"]}:dataQualityRuleset/${var.prefix}-*",
      "${local.here["glue"]}:job/${var.prefix}-*",
      "${local.here["glue"]}:userDefinedFunction/${local.database}/*",
      "${local.here["kms"]}:alias/${var.prefix}-*",
      "${local.here["lambda"]}:function:${var.prefix}-*",
      "${local.here["logs"]}:log-group:/aws*/${var.prefix}",
      "${local.here["logs"]}:log-group:/aws*/${var.prefix}-*",
      "${local.here["logs"]}:log-group:/aws*/${var.prefix}:*",
      "${local.here["logs"]}:log-group:airflow-${var.prefix}-*",
      "${local.here["secretsmanager"]}:secret:${var.prefix}-*",
      "${local.here["sns"]}:${var.prefix}-*",
      "${local.here["sqs"]}:${var.prefix}-*",
      "${local.iam}:role/${var.prefix}-*",
      local.buckets,
      "${local.bucket["airflow"]}/*",
      "${local.bucket["artifacts"]}/*",
      "${local.bucket["provenance"]}/keys/*",
      "${local.bucket["state"]}/*",
    ])
  }

  # These have no resource-level permissions, or ids that belong to the organization.
  statement {
    sid = "WhatHasNoName"
    actions = [
      "cloudtrail:Describe*",
      "cloudwatch:Describe*",
      "ec2:Describe*",
      "ecs:Describe*",
      "glue:*SecurityC*",
      "identitystore:Describe*",
      "identitystore:Get*",
      "kms:ListA*",
      "lakeformation:Describe*",
      "lakeformation:Get*",
      "lakeformation:List*",
      "logs:Describe*",
      "sns:GetSub*",
      "sso:Describe*",
      "sso:Get*",
      "sso:List*",
    ]
    resources = ["*"]
  }

  # Amazon MWAA attaches an environment to its network with the permissions of whoever applies. All ids are random.
  # https://docs.aws.amazon.com/mwaa/latest/userguide/access-policies.html
  statement {
    sid       = "InterfacesOfAirflow"
    actions   = ["ec2:CreateNetworkInterface"]
    resources = [for type in ["network-interface", "subnet"] : "${local.here["ec2"]}:${type}/*"]

    condition {
      test     = "Bool"
      variable = "aws:ViaAWSService"
      values   = ["true"]
    }
  }

  # An event source mapping has a random id: it is identified by its function.
  statement {
    sid       = "EventSources"
    actions   = ["lambda:*EventSourceMapping"]
    resources = ["*"]

    condition {
      test     = "ArnLike"
      variable = "lambda:FunctionArn"
      values   = ["${local.here["lambda"]}:function:${var.prefix}-*"]
    }
  }

  statement {
    sid       = "Tags"
    actions   = ["lambda:*Resource", "lambda:ListTags"]
    resources = ["${local.here["lambda"]}:event-source-mapping:*"]
  }

  # A key has no name before it exists, and its id is random: the kit's keys are identified by tags from their creation. A key
  # with an alias already belongs to somebody, and must not be taken over by tagging it.
  statement {
    sid       = "NewKeys"
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
      "kms:*Resource",
      "kms:DescribeKey",
      "kms:En*",
      "kms:GenerateD*",
      "kms:Get*",
      "kms:List*",
      "kms:PutKeyPolicy",
      "kms:Update*",
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

  # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate
  statement {
    sid       = "Roles"
    actions   = ["iam:CreateRole", "iam:De*RolePolicy", "iam:PutRole*"]
    resources = ["${local.iam}:role/${var.prefix}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [local.arns["orchestrator"], local.arns["people"], local.arns["service"]]
    }
  }

  statement {
    sid       = "PassRoles"
    actions   = ["iam:PassRole"]
    resources = ["${local.iam}:role/${var.prefix}-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = [for service in ["airflow", "airflow-env", "cloudtrail", "ecs-tasks", "events", "firehose", "glue", "lambda", "s3", "vpc-flow-logs"] : "${service}.amazonaws.com"]
    }
  }

  # No boundary can be removed, and the roles can change neither themselves nor their policies, such as the one that holds their denies.
  statement {
    sid     = "NobodyLoosensCaps"
    effect  = "Deny"
    actions = ["iam:*"]
    resources = [
      "${local.iam}:policy/${var.prefix}-*",
      "${local.iam}:role/${var.prefix}-apply",
      "${local.iam}:role/${var.prefix}-plan",
    ]
  }
}
