data "aws_iam_policy_document" "cosigner" {
  statement {
    sid       = "KeepState"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = ["${local.bucket_arn}/${local.state}*"]
  }

  # Without it, S3 answers for an object that is not there as for one that must not be read, and no log would have a beginning.
  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
  statement {
    sid       = "SeeThatNothingIsKept"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]
  }

  statement {
    sid       = "EncryptState"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.key.arn]
  }

  statement {
    sid       = "TellKey"
    actions   = ["kms:GetPublicKey"]
    resources = [var.signing_key_arn]
  }

  statement {
    sid       = "Cosign"
    actions   = ["kms:Sign"]
    resources = [var.signing_key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:SigningAlgorithm"
      values   = ["ED25519_SHA_512"]
    }
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.log_group_arns["function"]}:log-stream:*"]
  }
}

# The role can never do more than this, whatever is attached to it later.
resource "aws_iam_policy" "boundary" {
  name        = "${local.function}-boundary"
  description = "The most that the witness may do"
  policy      = data.aws_iam_policy_document.cosigner.json
}

module "role" {
  source = "../role"

  account_id   = var.account_id
  boundary_arn = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:policy/${aws_iam_policy.boundary.name}"
  description  = "Cosigns checkpoints that extend the last one cosigned"
  name         = local.function
  policies     = { cosign = data.aws_iam_policy_document.cosigner.json }
  trust        = { service = { name = "lambda.amazonaws.com", source_arns = [local.function_arn] } }
}

module "function" {
  source = "../function"

  account_id         = var.account_id
  key_arn            = module.key.arn
  log_retention_days = var.log_days
  name               = local.function
  role_arn           = module.role.ready_arn
  topic_arn          = module.alerts.topic_arn

  # The API answers after nine seconds, whatever the function does, and a sealer waits ten.
  size = { memory_mb = 512, timeout_seconds = 9 }

  code = {
    bucket   = module.code.name
    handler  = "witness.handler.handler"
    zip_path = var.zip_path
  }

  environment = {
    LOGS                         = jsonencode(var.logs)
    POWERTOOLS_LOG_LEVEL         = "INFO"
    POWERTOOLS_METRICS_NAMESPACE = local.metrics_namespace
    POWERTOOLS_SERVICE_NAME      = "witness"
    SIGNING_KEY_ID               = var.signing_key_arn
    STATE_BUCKET                 = local.bucket
    WITNESS_NAME                 = var.witness_name
  }

  # The first request of all needs the bucket.
  depends_on = [module.state]
}
