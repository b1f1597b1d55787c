# What is made of the data: the role of the jobs that read arrivals and write tables, and that of the gate which lets
# them have verified versions only.

data "aws_iam_policy_document" "gate_objects" {
  statement {
    sid       = "ListArrivedVersions"
    actions   = ["s3:ListBucketVersions"]
    resources = [local.bucket_arns["raw-data"]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["incoming/*"]
    }
  }

  statement {
    sid       = "ReadReceipts"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["provenance"]}/provenance/*", "${local.bucket_arns["provenance"]}/keys/registry.json"]
  }

  # Without it, S3 answers 403 for a receipt that is missing, and missing looks like forbidden. It cannot be tied to a
  # prefix: a GetObject names none.
  statement {
    sid       = "TellAbsentFromDenied"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns["provenance"]]
  }

  statement {
    sid       = "CreateManifests"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arns["processed"]}/manifests/*"]
  }
}

data "aws_iam_policy_document" "gate_keys" {
  statement {
    sid       = "DecryptReceipts"
    actions   = ["kms:Decrypt"]
    resources = [module.provenance_key.arn]
  }

  statement {
    sid       = "EncryptManifests"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.data_key.arn]
  }
}

module "gate_role" {
  source = "./modules/role"

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Checks the receipts of ${local.prefix} before a job reads what they are of"
  name         = local.role_names["gate"]
  trust        = { service = { name = "lambda.amazonaws.com", source_arns = [local.function_arns["gate"]] } }

  policies = {
    objects   = data.aws_iam_policy_document.gate_objects.json
    use-keys  = data.aws_iam_policy_document.gate_keys.json
    write-log = data.aws_iam_policy_document.function_log["gate"].json
  }
}

data "aws_iam_policy_document" "etl_objects" {
  statement {
    sid       = "ReadArrivals"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arns["raw-data"]}/incoming/*"]
  }

  statement {
    sid       = "ListArrivals"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns["raw-data"]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["incoming/*"]
    }
  }

  statement {
    sid       = "ReadManifestsAndCode"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["processed"]}/manifests/*", "${local.bucket_arns["artifacts"]}/glue/*"]
  }

  # A Delta table is its files and the log of them: who writes it reads it.
  statement {
    sid       = "ReadAndWriteTables"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [for short in ["analytics", "processed"] : "${local.bucket_arns[short]}/tables/*"]
  }

  # Delta asks for the next file of its log and must hear that there is none, not that it is forbidden. It cannot be
  # tied to a prefix: a GetObject names none.
  statement {
    sid       = "TellAbsentFromDenied"
    actions   = ["s3:ListBucket"]
    resources = [for short in ["analytics", "processed"] : local.bucket_arns[short]]
  }
}

data "aws_iam_policy_document" "etl_catalog" {
  source_policy_documents = local.governed_reading

  statement {
    sid       = "ReadAndUpdateTables"
    actions   = ["glue:GetDatabase", "glue:GetTable", "glue:GetTables", "glue:UpdateTable"]
    resources = local.catalog_arns
  }
}

data "aws_iam_policy_document" "etl_keys" {
  statement {
    sid       = "EncryptTables"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.data_key.arn]
  }
}

# Glue names these groups itself, and all jobs of an account share them.
data "aws_iam_policy_document" "etl_log" {
  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:/aws-glue/jobs/*"]
  }
}

module "etl_role" {
  source = "./modules/role"

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Makes tables of what arrived in ${local.prefix}"
  name         = local.role_names["etl"]
  trust        = { service = { match = "like", name = "glue.amazonaws.com", source_arns = [local.job_arns] } }

  policies = {
    objects    = data.aws_iam_policy_document.etl_objects.json
    use-keys   = data.aws_iam_policy_document.etl_keys.json
    use-tables = data.aws_iam_policy_document.etl_catalog.json
    write-log  = data.aws_iam_policy_document.etl_log.json
  }
}
