# What a plan reads and an apply changes of the optional parts of an environment: network, secret, task and Airflow. In separate policies,
# because those of read.tf and apply.tf have reached IAM's size limit.

# aws_vpc and the resources in it, aws_flow_log. Describe actions have no resource-level permissions, except for a VPC's attributes.
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

  # aws_secretsmanager_secret and _rotation. A plan does not read the secret's value.
  statement {
    sid       = "ReadSecretSettings"
    actions   = ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"]
    resources = [local.kit.secrets]
  }

  # aws_ecs_cluster and _task_definition.
  statement {
    sid       = "ReadTasks"
    actions   = ["ecs:DescribeClusters", "ecs:ListTagsForResource"]
    resources = local.kit.tasks
  }

  # It has no resource-level permissions.
  statement {
    sid       = "ReadTaskDefinitions"
    actions   = ["ecs:DescribeTaskDefinition"]
    resources = ["*"]
  }

  # aws_mwaa_environment.
  statement {
    sid       = "ReadAirflow"
    actions   = ["airflow:GetEnvironment"]
    resources = [local.kit.environments]
  }

  # aws_cloudwatch_log_group, of Airflow.
  statement {
    sid       = "ReadLogGroupsOfAirflow"
    actions   = ["logs:ListTagsForResource"]
    resources = [local.kit.airflow_logs]
  }

  # aws_s3_object: the DAGs, as the code in read.tf.
  statement {
    sid       = "ReadPlacedDags"
    actions   = ["s3:GetObject", "s3:GetObjectTagging"]
    resources = [local.kit.dags]
  }

  statement {
    sid       = "DecryptPlacedDags"
    actions   = ["kms:Decrypt"]
    resources = [local.kit.keys]

    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:aws:s3:arn"
      values   = [trimsuffix(local.kit.dags, "/*")]
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = ["s3.${var.region}.${data.aws_partition.current.dns_suffix}"]
    }
  }

  # aws_glue_connection, aws_glue_trigger.
  statement {
    sid       = "ReadConnections"
    actions   = ["glue:GetConnection", "glue:GetTags", "glue:GetTrigger"]
    resources = [local.kit.catalog, local.kit.connections, local.kit.triggers]
  }
}

# aws_vpc and the resources in it, aws_flow_log. As with CreateKeys and ChangeKeys in apply.tf, ids are random, so the kit's
# networks are identified by tags. Resources are created with these tags, and only in a network that has them.
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

      # An endpoint connects to AWS services only, never to a third party's service.
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

  # aws_glue_connection, through which jobs run in a network.
  statement {
    sid       = "ChangeConnections"
    actions   = ["glue:CreateConnection", "glue:DeleteConnection", "glue:TagResource", "glue:UntagResource", "glue:UpdateConnection"]
    resources = [local.kit.catalog, local.kit.connections]
  }

  # A VPC's default security group is created by AWS, and so without tags.
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

  # Enabling rotation creates the first version of the secret, and requires permission to invoke the function.
  # https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets-required-permissions-function.html
  statement {
    sid       = "StartRotation"
    actions   = ["lambda:InvokeFunction"]
    resources = [replace(local.kit.functions, "/-\\*$/", "-rotator")]
  }
}

# aws_ecs_cluster and _task_definition, of which older revisions stay: DeregisterTaskDefinition has no resource-level permissions.
data "aws_iam_policy_document" "change_tasks" {
  statement {
    sid = "ChangeTasks"
    actions = [
      "ecs:CreateCluster",
      "ecs:DeleteCluster",
      "ecs:RegisterTaskDefinition",
      "ecs:TagResource",
      "ecs:UntagResource",
      "ecs:UpdateCluster",
    ]
    resources = local.kit.tasks
  }
}

# aws_mwaa_environment.
data "aws_iam_policy_document" "change_airflow" {
  statement {
    sid       = "ChangeAirflow"
    actions   = ["airflow:CreateEnvironment", "airflow:DeleteEnvironment", "airflow:TagResource", "airflow:UntagResource", "airflow:UpdateEnvironment"]
    resources = [local.kit.environments]
  }

  # Amazon MWAA encrypts what an environment keeps under KMS grants that the creator of the environment gives to it.
  # https://docs.aws.amazon.com/mwaa/latest/userguide/custom-keys-certs.html
  statement {
    sid       = "LetAirflowEncrypt"
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
      values   = ["airflow.${var.region}.${data.aws_partition.current.dns_suffix}"]
    }
  }

  # It connects the environment to subnets, which need not be the kit's, with the permissions of its creator.
  # https://docs.aws.amazon.com/mwaa/latest/userguide/access-policies.html
  statement {
    sid       = "LetAirflowConnect"
    actions   = ["ec2:CreateNetworkInterface", "ec2:CreateVpcEndpoint"]
    resources = concat([for type in ["security-group", "subnet", "vpc", "vpc-endpoint"] : local.network[type]], [replace(local.network["subnet"], "subnet/", "network-interface/")])

    condition {
      test     = "Bool"
      variable = "aws:ViaAWSService"
      values   = ["true"]
    }
  }
}

data "aws_iam_policy_document" "change_parts" {
  source_policy_documents = [
    data.aws_iam_policy_document.change_networks.json,
    data.aws_iam_policy_document.change_secrets.json,
    data.aws_iam_policy_document.change_streams.json,
    data.aws_iam_policy_document.change_tasks.json,
  ]
}

# Managed policies, including change_watch of apply.tf and limits of limits.tf: inline policies have no room for all of it.
resource "aws_iam_policy" "more" {
  for_each = {
    change-airflow = { description = "Lets an apply change Airflow of ${local.prefix}", policy = data.aws_iam_policy_document.change_airflow.json }
    change-parts   = { description = "Lets an apply change networks, secrets, streams and tasks of ${local.prefix}", policy = data.aws_iam_policy_document.change_parts.json }
    change-watch   = { description = "Lets an apply change the trail, alarms, rules and logs of ${local.prefix}", policy = data.aws_iam_policy_document.change_watch.json }
    limits         = { description = "What the workflows of ${local.prefix} are denied, whatever else allows it", policy = data.aws_iam_policy_document.limits.json }
    read-parts     = { description = "Lets a plan read Airflow, networks, secrets and tasks of ${local.prefix}", policy = data.aws_iam_policy_document.read_parts.json }
  }

  name        = "${local.prefix}-ci-${each.key}"
  description = each.value.description
  policy      = each.value.policy

  lifecycle {
    precondition {
      condition     = length(replace(each.value.policy, "/\\s/", "")) <= 6144
      error_message = "The policy ${each.key} of the workflows must not exceed 6144 characters, not counting white space: this is IAM's limit. Shorten the name."
    }
  }
}

# Built from names, which are known at plan; the reference keeps the order.
locals {
  more_policy_arns = { for short, policy in aws_iam_policy.more : short => "${local.iam}:policy/${policy.name}" }
}
