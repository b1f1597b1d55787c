# What a plan reads and an apply changes of the parts that an environment may do without: a network and a secret. In policies
# of their own, for IAM takes no more in those of read.tf and apply.tf.

# aws_vpc and what is in it, aws_flow_log. To describe has no resource, but for a VPC's attributes.
data "aws_iam_policy_document" "read_parts" {
  statement {
    sid = "DescribeNetworks"
    actions = [
      "ec2:DescribeFlowLogs",
      "ec2:DescribeNetworkAcls",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribePrefixLists",
      "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroupRules",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVpcEndpoints",
      "ec2:DescribeVpcs",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "ReadNetworkSettings"
    actions   = ["ec2:DescribeVpcAttribute"]
    resources = [local.network["vpc"]]
  }

  # aws_secretsmanager_secret and _rotation. What is in it is no business of a plan.
  statement {
    sid       = "ReadSecretSettings"
    actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"]
    resources = [local.kit.secrets]
  }

  # aws_glue_connection.
  statement {
    sid       = "ReadConnections"
    actions   = ["glue:GetConnection", "glue:GetTags"]
    resources = [local.kit.catalog, local.kit.connections]
  }
}

# aws_vpc and what is in it, aws_flow_log. The same as CreateKeys and ChangeKeys in apply.tf: ids are random, so a network is the kit's by its tags. Whatever is made
# bears them from the first, and is made in a network that does.
# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
data "aws_iam_policy_document" "change_networks" {
  dynamic "statement" {
    for_each = {
      MakeNetworks         = { actions = ["ec2:CreateVpc"], types = ["vpc"] }
      MakePartsOfNetworks  = { actions = ["ec2:CreateRouteTable", "ec2:CreateSecurityGroup", "ec2:CreateSubnet"], types = ["route-table", "security-group", "subnet"] }
      MakeRulesAndFlowLogs = { actions = ["ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:CreateFlowLogs"], types = ["security-group-rule", "vpc-flow-log"] }
      MakeWaysToAws        = { actions = ["ec2:CreateVpcEndpoint"], types = ["vpc-endpoint"], owner = "amazon" }
    }

    content {
      sid       = statement.key
      actions   = statement.value.actions
      resources = [for type in statement.value.types : local.network[type]]

      dynamic "condition" {
        for_each = local.kit_tags

        content {
          test     = "StringEquals"
          variable = "aws:RequestTag/${condition.key}"
          values   = [condition.value]
        }
      }

      # An endpoint leads to services of AWS, never to somebody's.
      # https://docs.aws.amazon.com/vpc/latest/privatelink/security_iam_id-based-policy-examples.html
      dynamic "condition" {
        for_each = try([statement.value.owner], [])

        content {
          test     = "StringEquals"
          variable = "ec2:VpceServiceOwner"
          values   = [condition.value]
        }
      }
    }
  }

  statement {
    sid = "ChangeNetworks"
    actions = [
      "ec2:AssociateRouteTable",
      "ec2:AuthorizeSecurityGroupEgress",
      "ec2:AuthorizeSecurityGroupIngress",
      "ec2:CreateFlowLogs",
      "ec2:CreateRouteTable",
      "ec2:CreateSecurityGroup",
      "ec2:CreateSubnet",
      "ec2:CreateTags",
      "ec2:CreateVpcEndpoint",
      "ec2:DeleteFlowLogs",
      "ec2:DeleteRouteTable",
      "ec2:DeleteSecurityGroup",
      "ec2:DeleteSubnet",
      "ec2:DeleteTags",
      "ec2:DeleteVpc",
      "ec2:DeleteVpcEndpoints",
      "ec2:DisassociateRouteTable",
      "ec2:ModifySecurityGroupRules",
      "ec2:ModifySubnetAttribute",
      "ec2:ModifyVpcAttribute",
      "ec2:ModifyVpcEndpoint",
      "ec2:RevokeSecurityGroupEgress",
      "ec2:RevokeSecurityGroupIngress",
    ]
    resources = values(local.network)

    dynamic "condition" {
      for_each = local.kit_tags

      content {
        test     = "StringEquals"
        variable = "aws:ResourceTag/${condition.key}"
        values   = [condition.value]
      }
    }
  }

  statement {
    sid       = "TagWhatIsMade"
    actions   = ["ec2:CreateTags"]
    resources = values(local.network)

    condition {
      test     = "StringEquals"
      variable = "ec2:CreateAction"
      values = [
        "AuthorizeSecurityGroupEgress",
        "AuthorizeSecurityGroupIngress",
        "CreateFlowLogs",
        "CreateRouteTable",
        "CreateSecurityGroup",
        "CreateSubnet",
        "CreateVpc",
        "CreateVpcEndpoint",
      ]
    }
  }

  # By which jobs run in a network: aws_glue_connection.
  statement {
    sid       = "ChangeConnections"
    actions   = ["glue:CreateConnection", "glue:DeleteConnection", "glue:TagResource", "glue:UntagResource", "glue:UpdateConnection"]
    resources = [local.kit.catalog, local.kit.connections]
  }

  # A VPC comes with a group that nobody made, and so without tags.
  statement {
    sid       = "TagDefaultGroups"
    actions   = ["ec2:CreateTags"]
    resources = [local.network["security-group"]]

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
  }
}

# aws_secretsmanager_secret and _rotation, aws_lambda_invocation.
data "aws_iam_policy_document" "change_secrets" {
  statement {
    sid = "ChangeSecrets"
    actions = [
      "secretsmanager:CancelRotateSecret",
      "secretsmanager:CreateSecret",
      "secretsmanager:DeleteSecret",
      "secretsmanager:PutResourcePolicy",
      "secretsmanager:RotateSecret",
      "secretsmanager:TagResource",
      "secretsmanager:UntagResource",
      "secretsmanager:UpdateSecret",
    ]
    resources = [local.kit.secrets]
  }

  # It has the first version made, and whoever switches rotation on must be allowed to call the function.
  # https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets-required-permissions-function.html
  statement {
    sid       = "StartRotation"
    actions   = ["lambda:InvokeFunction"]
    resources = [replace(local.kit.functions, "/-\\*$/", "-rotator")]
  }
}

data "aws_iam_policy_document" "change_parts" {
  source_policy_documents = [
    data.aws_iam_policy_document.change_networks.json,
    data.aws_iam_policy_document.change_secrets.json,
    data.aws_iam_policy_document.change_streams.json,
  ]
}

# Managed policies, with change_watch of apply.tf: for all of it there is no room inline.
resource "aws_iam_policy" "more" {
  for_each = {
    change-parts = { description = "What an apply changes of networks, secrets and streams of ${local.prefix}", policy = data.aws_iam_policy_document.change_parts.json }
    change-watch = { description = "What an apply changes of what watches ${local.prefix}", policy = data.aws_iam_policy_document.change_watch.json }
    read-parts   = { description = "What a plan reads of networks and secrets of ${local.prefix}", policy = data.aws_iam_policy_document.read_parts.json }
  }

  name        = "${local.prefix}-ci-${each.key}"
  description = each.value.description
  policy      = each.value.policy

  lifecycle {
    precondition {
      condition     = length(replace(each.value.policy, "/\\s/", "")) <= 6144
      error_message = "The policy ${each.key} of the workflows must not exceed 6144 characters, white space not counted: IAM takes no more. Shorten the name."
    }
  }
}

# By name, which is known at plan, and after the policies all the same.
locals {
  more_policy_arns = { for short, policy in aws_iam_policy.more : short => "${local.iam}:policy/${policy.name}" }
}
