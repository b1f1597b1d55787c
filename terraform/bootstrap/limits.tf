# What the CI roles are denied, whatever their own policies and those of resources allow. Their boundary, which says what they
# can reach, has no room for it, and need not: it denies them every change of a policy of the kit and of their own roles, so
# that only an administrator can take this away.

data "aws_iam_policy_document" "limits" {
  statement {
    sid    = "NobodyDeletesEvidence"
    effect = "Deny"
    actions = [
      "s3:*LegalHold",
      "s3:Bypass*",
      "s3:DeleteObject*",
      "s3:Replicate*",
    ]
    resources = [for short in ["cloudtrail-log", "provenance"] : "arn:${local.partition}:s3:::${local.prefix}-${short}-${var.account_id}/*"]
  }

  statement {
    sid    = "NobodySignsOrHides"
    effect = "Deny"
    actions = [
      "cloudtrail:DeleteTrail",
      "cloudtrail:StopLogging",
      "iam:DeleteRolePermissionsBoundary",
      "kms:Sign",
      "lakeformation:GetDataAccess",
      "s3:UpdateObject*",
      "secretsmanager:*SecretValue",
    ]
    resources = ["*"]
  }

  # The resources that store the state are an administrator's.
  statement {
    sid     = "BootstrapStays"
    effect  = "Deny"
    actions = ["s3:Delete*", "s3:Put*"]
    resources = [
      local.bucket_arns["state"],
      "${local.bucket_arns["state"]}/*/bootstrap.tfstate*",
      "${local.bucket_arns["state-logs"]}*",
    ]
  }

  statement {
    sid       = "StateKey"
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
