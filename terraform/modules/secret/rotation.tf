# The rotator creates and rotates the value. Rotation starts as soon as it is configured, and makes the first version current
# without testing it: so the rotator first creates a version without a password.
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotating-secrets.html

locals {
  function_arn = "arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.name}:${var.account_id}:function:${var.rotator.name}"
}

# Secrets Manager invokes it for one step after the other. If a step fails, it retries, and the current value stays valid.
module "rotator" {
  source = "../function"

  account_id         = var.account_id
  code               = var.rotator.code
  environment        = var.rotator.environment
  key_arn            = var.rotator.key_arn
  log_retention_days = var.rotator.log_retention_days
  name               = var.rotator.name
  role_arn           = var.rotator.role_arn
  size               = { memory_mb = 256, timeout_seconds = 60 }
  topic_arn          = var.rotator.topic_arn
  vpc                = var.rotator.vpc
}

resource "aws_lambda_permission" "rotate" {
  statement_id   = "SecretsManagerRotatesThisSecret"
  action         = "lambda:InvokeFunction"
  function_name  = local.function_arn
  principal      = "secretsmanager.amazonaws.com"
  source_account = var.account_id
  source_arn     = local.arn_pattern

  depends_on = [module.rotator]
}

resource "aws_lambda_invocation" "first_version" {
  function_name = var.rotator.name
  input         = jsonencode({ Step = "firstVersion", SecretId = aws_secretsmanager_secret.this.arn })

  depends_on = [module.rotator]
}

resource "aws_secretsmanager_secret_rotation" "this" {
  # checkov:skip=CKV_AWS_304:rotation_days is limited to 1 to 90; the check cannot see the value of a variable
  secret_id           = aws_secretsmanager_secret.this.id
  rotation_lambda_arn = local.function_arn

  rotation_rules {
    automatically_after_days = var.rotation_days
  }

  depends_on = [aws_lambda_invocation.first_version, aws_lambda_permission.rotate]
}
