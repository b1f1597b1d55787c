# Where functions and jobs run: on AWS's own network, or in a VPC without internet access. Off by default: they accept no
# connections and call only AWS services, over TLS and with their roles, and endpoints cost more than everything else here.

locals {
  network_name = local.prefix
}

module "network" {
  source = "./modules/network"
  count  = var.network == null ? 0 : 1

  account_id          = var.account_id
  azs                 = var.network.azs
  bucket_arns         = ["arn:${local.partition}:s3:::${local.prefix}-*-${var.account_id}"]
  cidr                = var.network.cidr
  name                = local.network_name
  read_bucket_arns    = local.adopted_arns
  service_bucket_arns = var.network.service_bucket_arns
  services            = setunion(var.network.services, var.warehouse == null ? [] : ["execute-api", "secretsmanager"], var.large_objects == null ? [] : ["ecr.api", "ecr.dkr"])
  trail_folder_arn    = local.has_own_trail ? null : "${local.bucket_arns["cloudtrail-log"]}/${local.trail_folder}"

  flow_log = {
    key_arn        = module.network_key[0].arn
    retention_days = var.retention.log_days
    role_arn       = module.flow_logs_role[0].ready_arn
  }
}

locals {
  # For modules/function.
  function_vpc = var.network == null ? null : {
    security_group_ids = [module.network[0].security_group_id]
    subnet_ids         = values(module.network[0].subnet_ids)
  }
}

# Lambda creates each function's network interfaces with the function's role; the function's code must not do so.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
data "aws_iam_policy_document" "function_network" {
  for_each = var.network == null ? {} : local.function_arns

  statement {
    sid = "LambdaMakesInterfaces"
    actions = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = [
      for type in ["network-interface", "security-group", "subnet"] :
      "arn:${local.partition}:ec2:${var.region}:${var.account_id}:${type}/*"
    ]
  }

  # Describe actions have no resource-level permissions.
  statement {
    sid       = "LambdaFindsInterfaces"
    actions   = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    resources = ["*"]
  }

  statement {
    sid    = "NotByItsCode"
    effect = "Deny"
    actions = [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
    ]
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values   = [each.value]
    }
  }
}

locals {
  # Additional policies of each function's role; none without a network.
  function_network_policies = {
    for short in keys(local.function_arns) : short => {
      for name, document in { make-interfaces = data.aws_iam_policy_document.function_network } : name => document[short].json if var.network != null
    }
  }
}

# A job runs in one subnet at a time: that of its first connection whose zone is healthy and has free addresses.
# https://docs.aws.amazon.com/glue/latest/dg/start-connecting.html
resource "aws_glue_connection" "jobs" {
  for_each = local.connection_names

  name            = each.value
  description     = "Network of the jobs of ${local.prefix} in ${each.key}"
  connection_type = "NETWORK"

  physical_connection_requirements {
    availability_zone      = each.key
    security_group_id_list = [module.network[0].security_group_id]
    subnet_id              = module.network[0].subnet_ids[each.key]
  }
}

locals {
  connection_names = { for az in(local.has_jobs ? try(var.network.azs, []) : []) : az => "${local.prefix}-jobs-${az}" }
}

# Glue creates a job's network interfaces with the job's role. Unlike Lambda, Glue offers no condition key to deny the same to
# the job's own code; the network still has no internet access.
# https://docs.aws.amazon.com/glue/latest/dg/getting-started-min-privs-job.html
# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSGlueServiceRole.html
data "aws_iam_policy_document" "job_network" {
  count = var.network == null ? 0 : 1

  statement {
    sid     = "GlueMakesInterfaces"
    actions = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeVpcAttribute"]
    resources = [
      for type in ["network-interface", "security-group", "subnet", "vpc"] :
      "arn:${local.partition}:ec2:${var.region}:${var.account_id}:${type}/*"
    ]
  }

  statement {
    sid       = "GlueMarksInterfaces"
    actions   = ["ec2:CreateTags", "ec2:DeleteTags"]
    resources = ["arn:${local.partition}:ec2:${var.region}:${var.account_id}:network-interface/*"]

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "aws:TagKeys"
      values   = ["aws-glue-service-resource"]
    }

    # Without it, a call that names no tag would be allowed, and it would remove all of them.
    condition {
      test     = "Null"
      variable = "aws:TagKeys"
      values   = ["false"]
    }
  }

  # Describe actions have no resource-level permissions.
  statement {
    sid = "GlueFindsNetworks"
    actions = [
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcEndpoints",
    ]
    resources = ["*"]
  }

  statement {
    sid     = "UseConnections"
    actions = ["glue:GetConnection"]
    resources = [
      for resource in concat(["catalog"], [for name in values(local.connection_names) : "connection/${name}"]) :
      "arn:${local.partition}:glue:${var.region}:${var.account_id}:${resource}"
    ]
  }
}

module "network_key" {
  source = "./modules/key"
  count  = var.network == null ? 0 : 1

  account_id           = var.account_id
  deletion_window_days = var.retention.key_window_days
  description          = "Encrypts the VPC flow log of ${local.prefix}"
  name                 = "${local.prefix}-network"

  users = {
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    LogsEncryptFlowLog = {
      principals = ["logs.${var.region}.${local.dns_suffix}"]
      actions    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = [
        { test = "ArnEquals", variable = "kms:EncryptionContext:aws:logs:arn", values = [local.log_group_arns["flow-logs"]] },
      ]
    }
  }
}

# https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
data "aws_iam_policy_document" "flow_logs" {
  statement {
    sid       = "WriteFlowLog"
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = ["${local.log_group_arns["flow-logs"]}:*"]
  }
}

module "flow_logs_role" {
  source = "./modules/role"
  count  = var.network == null ? 0 : 1

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Writes the VPC flow log of ${local.prefix} to its log group"
  name         = local.role_names["flow-logs"]

  policies = { write-log = data.aws_iam_policy_document.flow_logs.json }

  # A flow log's id is random, after this prefix.
  trust = {
    service = {
      match       = "like"
      name        = "vpc-flow-logs.amazonaws.com"
      source_arns = ["arn:${local.partition}:ec2:${var.region}:${var.account_id}:vpc-flow-log/fl-*"]
    }
  }
}
