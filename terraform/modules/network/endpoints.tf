# VPC endpoints for AWS services. An endpoint policy grants nothing: it limits what may pass, so that an attacker who controls a
# job cannot copy data into another account.
# https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html

locals {
  # What jobs and functions call of each service, on resources of the account unless stated otherwise.
  interfaces = {
    athena = {
      actions = ["athena:GetQueryExecution", "athena:GetQueryResults", "athena:GetWorkGroup", "athena:StartQueryExecution", "athena:StopQueryExecution"]
    }
    # Signing in has no resource-level permissions.
    "ecr.api"   = { actions = ["ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer"], resources = ["*"] }
    "ecr.dkr"   = { actions = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], resources = ["arn:${local.partition}:ecr:${local.region}:${var.account_id}:repository/*"] }
    events      = { actions = ["events:PutEvents"] }
    execute-api = { actions = ["execute-api:Invoke"] }
    glue = {
      actions = ["glue:GetDatabase", "glue:GetJobRun", "glue:GetJobRuns", "glue:GetPartition", "glue:GetPartitions", "glue:GetTable", "glue:GetTables", "glue:StartJobRun", "glue:UpdateTable"]
    }
    kms  = { actions = ["kms:Decrypt", "kms:GenerateDataKey", "kms:Sign", "kms:Verify"] }
    logs = { actions = ["logs:CreateLogStream", "logs:PutLogEvents"] }
    # Metrics and the caller's identity have no resource-level permissions.
    monitoring     = { actions = ["cloudwatch:PutMetricData"], resources = ["*"] }
    secretsmanager = { actions = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"] }
    sns            = { actions = ["sns:Publish"] }
    sqs            = { actions = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"] }
    sts            = { actions = ["sts:GetCallerIdentity"], resources = ["*"] }
  }
}

data "aws_iam_policy_document" "s3" {
  # A gateway endpoint policy accepts no account as principal: the condition names it instead.
  statement {
    sid = "OurPrincipalsOnOurBuckets"
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
    resources = flatten([for arn in var.bucket_arns : [arn, "${arn}/*"]])

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [var.account_id]
    }

    # A bucket of another account may have a name with the same ending.
    condition {
      test     = "StringEquals"
      variable = "aws:ResourceAccount"
      values   = [var.account_id]
    }
  }

  # An image's layers are in a bucket of AWS's, and the addresses that Amazon ECR gives out for them are signed by itself.
  # https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
  dynamic "statement" {
    for_each = contains(var.services, "ecr.dkr") ? ["layers"] : []

    content {
      sid       = "LayersOfImages"
      actions   = ["s3:GetObject"]
      resources = ["arn:${local.partition}:s3:::prod-${local.region}-starport-layer-bucket/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }
    }
  }

  # Its bucket may be another account's.
  dynamic "statement" {
    for_each = var.trail_folder_arn[*]

    content {
      sid       = "OurPrincipalsReadTrail"
      actions   = ["s3:GetObject", "s3:ListBucket"]
      resources = [split("/", statement.value)[0], "${statement.value}*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:PrincipalAccount"
        values   = [var.account_id]
      }
    }
  }

  dynamic "statement" {
    for_each = length(var.read_bucket_arns) > 0 ? [var.read_bucket_arns] : []

    content {
      sid       = "OurPrincipalsReadVersions"
      actions   = ["s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"]
      resources = flatten([for arn in statement.value : [arn, "${arn}/*"]])

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:PrincipalAccount"
        values   = [var.account_id]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:ResourceAccount"
        values   = [var.account_id]
      }
    }
  }

  dynamic "statement" {
    for_each = length(var.service_bucket_arns) > 0 ? [var.service_bucket_arns] : []

    content {
      sid       = "OurPrincipalsReadFromBucketsOfAws"
      actions   = ["s3:GetObject"]
      resources = [for arn in statement.value : "${arn}/*"]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:PrincipalAccount"
        values   = [var.account_id]
      }
    }
  }
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.this.id]
  policy            = data.aws_iam_policy_document.s3.json

  tags = { Name = "${var.name}-s3" }
}

data "aws_iam_policy_document" "interface" {
  for_each = var.services

  statement {
    sid       = "OurPrincipalsOnOurResources"
    actions   = local.interfaces[each.key].actions
    resources = try(local.interfaces[each.key].resources, ["arn:${local.partition}:${each.key}:${local.region}:${var.account_id}:*"])

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:PrincipalAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = var.services

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${local.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  security_group_ids  = [aws_security_group.endpoints.id]
  subnet_ids          = [for subnet in aws_subnet.this : subnet.id]
  policy              = data.aws_iam_policy_document.interface[each.key].json

  tags = { Name = "${var.name}-${each.key}" }
}
