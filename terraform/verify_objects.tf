# The job that hashes every object of the sealed log again, on a schedule: what custody verify says of their bytes, at any scale.
# Off by default.

locals {
  verifier_name = "verify-objects-all"

  verifier_jobs = var.verify_objects == null ? {} : {
    (local.verifier_name) = {
      description = "Hashes the objects of ${local.prefix} again and compares them with the sealed log"
      script      = "verify_objects.py"
      role        = { arn = module.verifier_role[0].ready_arn, name = local.role_names["verifier"] }
      size        = var.verify_objects
      arguments = {
        provenance = local.bucket_names["provenance"]
        results    = "s3://${local.bucket_names["artifacts"]}/${trimsuffix(local.verifications_prefix, "/")}"
      }
    }
  }

  verifications_patterns = var.verify_objects == null ? [] : ["${local.verifications_prefix}*"]
}

data "aws_iam_policy_document" "verifier_objects" {
  count = var.verify_objects == null ? 0 : 1

  statement {
    sid     = "ReadRecordedVersions"
    actions = ["s3:GetObjectVersion"]
    resources = flatten([
      for short, prefixes in local.recorded_prefixes : [for prefix in prefixes : "${local.bucket_arns[short]}/${prefix}*"]
    ])
  }

  # Without it, S3 returns 403 instead of 404 for a version that no longer exists.
  statement {
    sid       = "TellAbsentFromDenied"
    actions   = ["s3:ListBucket", "s3:ListBucketVersions"]
    resources = [for short, prefixes in local.recorded_prefixes : local.bucket_arns[short] if length(prefixes) > 0]
  }

  statement {
    sid       = "ReadSegments"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["provenance"]}/segments/*"]
  }

  statement {
    sid       = "ListSegments"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns["provenance"]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["segments/*"]
    }
  }

  statement {
    sid       = "ReadCode"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["artifacts"]}/glue/*"]
  }

  statement {
    sid       = "CreateReports"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arns["artifacts"]}/${local.verifications_prefix}*"]
  }
}

data "aws_iam_policy_document" "verifier_keys" {
  count = var.verify_objects == null ? 0 : 1

  statement {
    sid       = "DecryptObjectsAndEncryptReports"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.data_key.arn]
  }

  statement {
    sid       = "DecryptSegments"
    actions   = ["kms:Decrypt"]
    resources = [module.provenance_key.arn]
  }
}

data "aws_iam_policy_document" "verifier_log" {
  count = var.verify_objects == null ? 0 : 1

  # As for the jobs that make tables.
  # https://docs.aws.amazon.com/glue/latest/dg/monitor-continuous-logging.html
  statement {
    sid       = "SetUpLog"
    actions   = ["logs:AssociateKmsKey", "logs:CreateLogGroup"]
    resources = flatten([for short in ["verifier-error", "verifier-output"] : [local.log_group_arns[short], "${local.log_group_arns[short]}:*"]])
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [for short in ["verifier-error", "verifier-output"] : "${local.log_group_arns[short]}:*"]
  }
}

module "verifier_role" {
  source = "./modules/role"
  count  = var.verify_objects == null ? 0 : 1

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Hashes the objects of ${local.prefix} again"
  name         = local.role_names["verifier"]

  trust = {
    service = {
      name        = "glue.amazonaws.com"
      source_arns = ["arn:${local.partition}:glue:${var.region}:${var.account_id}:job/${local.prefix}-${local.verifier_name}"]
    }
  }

  policies = merge(local.adopted_policies, { for document in data.aws_iam_policy_document.job_network : "make-interfaces" => document.json }, {
    objects   = data.aws_iam_policy_document.verifier_objects[0].json
    use-keys  = data.aws_iam_policy_document.verifier_keys[0].json
    write-log = data.aws_iam_policy_document.verifier_log[0].json
  })
}

# Nobody may start it otherwise: whoever starts a job can choose the code that runs in its role.
resource "aws_glue_trigger" "verify_objects" {
  count = var.verify_objects == null ? 0 : 1

  name        = "${local.prefix}-verify-objects"
  description = "Starts the job that hashes the objects of ${local.prefix} again"
  type        = "SCHEDULED"
  schedule    = var.verify_objects.schedule

  actions {
    job_name = module.jobs[0].names[local.verifier_name]
  }
}
