# Who makes the value and renews it. A rotation begins the moment it is configured, and hands out the very first version
# untried: so the rotator first makes one that holds no password.
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets.html

locals {
  code_sha256  = filesha256(var.rotator.code.zip_path)
  function_arn = "arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.name}:${var.account_id}:function:${var.rotator.name}"
}

resource "aws_s3_object" "code" {
  bucket             = var.rotator.code.bucket
  key                = "functions/${var.rotator.name}/${local.code_sha256}.zip"
  source             = var.rotator.code.zip_path
  checksum_algorithm = "SHA256"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.rotator.name}"
  kms_key_id        = var.rotator.key_arn
  retention_in_days = var.rotator.log_retention_days
}

resource "aws_lambda_function" "this" {
  # checkov:skip=CKV_AWS_50:Traces would take what is asked of a secret to a service without our key; the log says what happened
  # checkov:skip=CKV_AWS_115:Secrets Manager calls it one step after the other; a reservation cannot be had in accounts with Lambda's first quota of 10
  # checkov:skip=CKV_AWS_116:Secrets Manager calls it again by itself, and the alarm tells of it: an event in a queue would be of no use later
  # checkov:skip=CKV_AWS_117:Whether it runs in a network is the deployer's (vpc): it calls two services, over TLS, and takes no connection
  # checkov:skip=CKV_AWS_272:The zip is pinned by its SHA-256; AWS Signer would vouch for less
  function_name    = var.rotator.name
  role             = var.rotator.role_arn
  architectures    = ["arm64"]
  runtime          = "python3.13"
  handler          = var.rotator.code.handler
  s3_bucket        = aws_s3_object.code.bucket
  s3_key           = aws_s3_object.code.key
  source_code_hash = filebase64sha256(var.rotator.code.zip_path)
  kms_key_arn      = var.rotator.key_arn
  memory_size      = 256
  timeout          = 60

  environment {
    variables = var.rotator.environment
  }

  dynamic "vpc_config" {
    for_each = var.rotator.vpc == null ? [] : [var.rotator.vpc]

    content {
      security_group_ids = vpc_config.value.security_group_ids
      subnet_ids         = vpc_config.value.subnet_ids
    }
  }

  # Or Lambda makes the log group itself, without key and retention.
  depends_on = [aws_cloudwatch_log_group.this]
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.rotator.name}-errors"
  alarm_description   = "A step of the rotation of ${var.name} failed. Its current value still holds; Secrets Manager tries again."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = var.rotator.name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.rotator.topic_arn]
  ok_actions          = [var.rotator.topic_arn]
}

resource "aws_lambda_permission" "rotate" {
  statement_id   = "SecretsManagerRotatesThisSecret"
  action         = "lambda:InvokeFunction"
  function_name  = local.function_arn
  principal      = "secretsmanager.amazonaws.com"
  source_account = var.account_id
  source_arn     = local.arn_pattern

  depends_on = [aws_lambda_function.this]
}

resource "aws_lambda_invocation" "first_version" {
  function_name = aws_lambda_function.this.function_name
  input         = jsonencode({ Step = "firstVersion", SecretId = aws_secretsmanager_secret.this.arn })
}

resource "aws_secretsmanager_secret_rotation" "this" {
  # checkov:skip=CKV_AWS_304:rotation_days takes 1 to 90 only; in the code alone the check cannot see what it is
  secret_id           = aws_secretsmanager_secret.this.id
  rotation_lambda_arn = aws_lambda_function.this.arn

  rotation_rules {
    automatically_after_days = var.rotation_days
  }

  depends_on = [aws_lambda_invocation.first_version, aws_lambda_permission.rotate]
}
