# What evidence needs, once more, where the account's administrators cannot change it: as policies of the organization.
# They only deny. https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_authorization_policies.html
data "aws_partition" "current" {}

locals {
  bucket_arns = [for name in var.evidence_buckets : "arn:${data.aws_partition.current.partition}:s3:::${name}"]
  trail_arn   = "arn:${data.aws_partition.current.partition}:cloudtrail:*:${var.account_id}:trail/${var.trail_name}"
  aliases     = "alias/${var.prefix}-*"

  deletions = ["s3:BypassGovernanceRetention", "s3:DeleteBucket", "s3:DeleteObject", "s3:DeleteObjectVersion"]
  # A key that is in use is in use under its alias: without it, it could be deleted as any other.
  key_ends = ["kms:DeleteImportedKeyMaterial", "kms:DisableKey", "kms:ScheduleKeyDeletion"]

  # Without white space: Organizations counts it.
  policies = {
    RESOURCE_CONTROL_POLICY = jsonencode(jsondecode(data.aws_iam_policy_document.resource.json))
    SERVICE_CONTROL_POLICY  = jsonencode(jsondecode(data.aws_iam_policy_document.service.json))
  }
}

# What the account's own principals may not do, its root user included.
data "aws_iam_policy_document" "service" {
  statement {
    sid       = "EvidenceStays"
    effect    = "Deny"
    actions   = local.deletions
    resources = flatten([for arn in local.bucket_arns : [arn, "${arn}/*"]])
  }

  statement {
    sid    = "DeploymentsProtectEvidence"
    effect = "Deny"

    actions = [
      "s3:DeleteBucketPolicy",
      "s3:PutBucketLogging",
      "s3:PutBucketNotification",
      "s3:PutBucketObjectLockConfiguration",
      "s3:PutBucketPolicy",
      "s3:PutBucketPublicAccessBlock",
      "s3:PutBucketVersioning",
      "s3:PutEncryptionConfiguration",
      "s3:PutLifecycleConfiguration",
      "s3:PutReplicationConfiguration",
    ]

    resources = local.bucket_arns

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = var.deployers
    }
  }

  statement {
    sid       = "TrailLogs"
    effect    = "Deny"
    actions   = ["cloudtrail:DeleteTrail", "cloudtrail:StopLogging"]
    resources = [local.trail_arn]
  }

  statement {
    sid       = "DeploymentsSayWhatIsLogged"
    effect    = "Deny"
    actions   = ["cloudtrail:PutEventConfiguration", "cloudtrail:PutEventSelectors", "cloudtrail:UpdateTrail"]
    resources = [local.trail_arn]

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = var.deployers
    }
  }

  statement {
    sid       = "KeysStay"
    effect    = "Deny"
    actions   = local.key_ends
    resources = ["arn:${data.aws_partition.current.partition}:kms:*:${var.account_id}:key/*"]

    condition {
      test     = "ForAnyValue:StringLike"
      variable = "kms:ResourceAliases"
      values   = [local.aliases]
    }
  }

  # With another policy a key signs for others, or is of no use to anybody.
  statement {
    sid       = "DeploymentsSayWhoUsesKeys"
    effect    = "Deny"
    actions   = ["kms:PutKeyPolicy"]
    resources = ["arn:${data.aws_partition.current.partition}:kms:*:${var.account_id}:key/*"]

    condition {
      test     = "ForAnyValue:StringLike"
      variable = "kms:ResourceAliases"
      values   = [local.aliases]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = var.deployers
    }
  }

  # Whoever can act as a deployer, as the recorder or as the sealer needs none of the other rights.
  statement {
    sid    = "DeploymentsSayWhoActsForThem"
    effect = "Deny"

    actions = [
      "iam:AttachRolePolicy",
      "iam:CreateAccessKey",
      "iam:CreateLoginProfile",
      "iam:CreatePolicyVersion",
      "iam:CreateRole",
      "iam:CreateUser",
      "iam:DeleteRolePermissionsBoundary",
      "iam:PutRolePermissionsBoundary",
      "iam:PutRolePolicy",
      "iam:SetDefaultPolicyVersion",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateLoginProfile",
      "lambda:UpdateFunctionCode",
      "lambda:UpdateFunctionConfiguration",
    ]

    resources = distinct(concat(var.deployers, [
      "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:policy/${var.prefix}-*",
      "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:role/${var.prefix}-*",
      "arn:${data.aws_partition.current.partition}:lambda:*:${var.account_id}:function:${var.prefix}-*",
    ]))

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = var.deployers
    }
  }

  statement {
    sid       = "DeploymentsNameKeys"
    effect    = "Deny"
    actions   = ["kms:DeleteAlias", "kms:UpdateAlias"]
    resources = ["arn:${data.aws_partition.current.partition}:kms:*:${var.account_id}:${local.aliases}"]

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = var.deployers
    }
  }

  statement {
    sid       = "AccountStays"
    effect    = "Deny"
    actions   = ["account:CloseAccount", "organizations:LeaveOrganization"]
    resources = ["*"]
  }
}

# What nobody may do to the account's resources, principals of other accounts included. A resource control policy has no say
# over CloudTrail.
data "aws_iam_policy_document" "resource" {
  statement {
    sid       = "EvidenceStays"
    effect    = "Deny"
    actions   = local.deletions
    resources = flatten([for arn in local.bucket_arns : [arn, "${arn}/*"]])

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "KeysStay"
    effect    = "Deny"
    actions   = local.key_ends
    resources = ["arn:${data.aws_partition.current.partition}:kms:*:${var.account_id}:key/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ForAnyValue:StringLike"
      variable = "kms:ResourceAliases"
      values   = [local.aliases]
    }
  }
}

resource "aws_organizations_policy" "this" {
  for_each = length(var.targets) > 0 ? local.policies : {}

  name        = "${var.prefix}-${each.key == "SERVICE_CONTROL_POLICY" ? "service" : "resource"}"
  description = "Evidence of ${var.prefix} is not deleted, its trail not stopped, its keys not ended"
  type        = each.key
  content     = each.value

  lifecycle {
    precondition {
      condition     = length(each.value) <= 5120
      error_message = "The policy has ${length(each.value)} characters, and Organizations takes 5,120: name fewer buckets or deployers, or by patterns."
    }
  }
}

resource "aws_organizations_policy_attachment" "this" {
  for_each = { for pair in setproduct(keys(local.policies), var.targets) : "${pair[0]}/${pair[1]}" => { policy = pair[0], target = pair[1] } }

  policy_id = aws_organizations_policy.this[each.value.policy].id
  target_id = each.value.target
}
