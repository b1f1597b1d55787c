locals {
  code_sha256    = filesha256(var.code.zip_path)
  log_group_name = "/aws/lambda/${var.name}"
}

resource "aws_s3_object" "code" {
  bucket             = var.code.bucket
  key                = "functions/${var.name}/${local.code_sha256}.zip"
  source             = var.code.zip_path
  checksum_algorithm = "SHA256"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = local.log_group_name
  kms_key_id        = var.key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_50:Traces would send object keys to a service that does not use our key; logs and metrics say what happened
  # checkov:skip=CKV_AWS_115:The event source limits concurrency, and rules call rarely; accounts with Lambda's initial quota of 10 cannot reserve concurrency
  # checkov:skip=CKV_AWS_116:The queue has a dead-letter queue, and functions called by rules have an on-failure destination, which includes the error; this setting is the older form of it
  # checkov:skip=CKV_AWS_117:The deployer decides whether it runs in a VPC (vpc): it calls only AWS services, over TLS, and accepts no connections
  # checkov:skip=CKV_AWS_272:The zip is pinned by its SHA-256, which every receipt names; AWS Signer would prove less
  function_name    = var.name
  role             = var.role_arn
  architectures    = ["arm64"]
  runtime          = "python3.13"
  handler          = var.code.handler
  s3_bucket        = aws_s3_object.code.bucket
  s3_key           = aws_s3_object.code.key
  source_code_hash = filebase64sha256(var.code.zip_path)
  kms_key_arn      = var.key_arn
  memory_size      = var.size.memory_mb
  timeout          = var.size.timeout_seconds

  environment {
    variables = merge(var.environment, { CODE_SHA256 = local.code_sha256 })
  }

  dynamic "vpc_config" {
    for_each = var.vpc == null ? [] : [var.vpc]

    content {
      security_group_ids = vpc_config.value.security_group_ids
      subnet_ids         = vpc_config.value.subnet_ids
    }
  }

  # Otherwise Lambda creates the log group itself, without key and retention.
  depends_on = [aws_cloudwatch_log_group.this]
}
