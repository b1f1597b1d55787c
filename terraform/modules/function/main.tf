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
  # checkov:skip=CKV_AWS_50:Traces would take object keys to a service without our key; logs and metrics say what happened
  # checkov:skip=CKV_AWS_115:The event source bounds concurrency, and rules call seldom; a reservation cannot be had in accounts with Lambda's first quota of 10
  # checkov:skip=CKV_AWS_116:The queue has a dead-letter queue, and what rules call has its destination for failures, which tells the error too; this setting is the older form of that
  # checkov:skip=CKV_AWS_117:Whether it runs in a network is the deployer's (vpc): it calls AWS services alone, over TLS, and takes no connection
  # checkov:skip=CKV_AWS_272:The zip is pinned by its SHA-256, which every receipt names; AWS Signer would vouch for less
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

  # Or Lambda makes the log group itself, without key and retention.
  depends_on = [aws_cloudwatch_log_group.this]
}
