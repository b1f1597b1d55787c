mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id       = "123456789012"
  deployers        = ["arn:aws:iam::123456789012:role/custody-test-apply"]
  description      = "Opens what a test opens"
  name             = "custody-test-warehouse"
  readers          = ["arn:aws:iam::123456789012:role/custody-test-loader"]
  rotator_role_arn = "arn:aws:iam::123456789012:role/custody-test-rotator"

  rotator = {
    code               = { bucket = "custody-test-artifacts-123456789012", handler = "rotator.handler.handler", zip_path = "./tests/code.zip" }
    environment        = { ACCOUNT_ENDPOINT = "https://accounts.example.org/v1", ACCOUNT_NAME = "loader" }
    key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890ab"
    log_retention_days = 365
    name               = "custody-test-rotator"
    role_arn           = "arn:aws:iam::123456789012:role/custody-test-rotator"
    topic_arn          = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts"
  }
}

run "is_under_its_own_key_and_refuses_everybody_who_is_not_named" {
  assert {
    condition     = aws_secretsmanager_secret.this.kms_key_id == module.key.arn && aws_secretsmanager_secret.this.recovery_window_in_days == 30
    error_message = "The secret is under the module's key and can be saved from deletion."
  }

  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.this.statement :
      s.sid => { for c in s.condition : "${c.test} ${c.variable}" => sort(c.values) }
      }) == jsonencode({
      NobodyElseReads = {
        "ArnNotLike aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/custody-test-loader", "arn:aws:iam::123456789012:role/custody-test-rotator"]
      }
      NobodyElseRenews        = { "ArnNotLike aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/custody-test-rotator"] }
      NobodyElseDescribesAnew = { "ArnNotLike aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
      NobodyCopies            = {}
      NobodyWithoutTls        = { "Bool aws:SecureTransport" = ["false"] }
    })
    error_message = "Readers and the rotator read, the rotator rotates, deployers change the description, and all others are denied."
  }

  assert {
    condition = alltrue([
      for s in data.aws_iam_policy_document.this.statement :
      s.effect == "Deny" && tolist(s.resources) == tolist(["arn:aws:secretsmanager:eu-central-1:123456789012:secret:custody-test-warehouse-??????"])
      && alltrue([for p in s.principals : tolist(p.identifiers) == tolist(["*"])])
    ])
    error_message = "The secret's policy only denies."
  }

  assert {
    condition     = aws_secretsmanager_secret.this.policy == data.aws_iam_policy_document.this.json
    error_message = "The secret has that policy from its beginning."
  }
}

run "has_no_value_from_terraform" {
  assert {
    condition     = jsondecode(aws_lambda_invocation.first_version.input) == { Step = "firstVersion", SecretId = aws_secretsmanager_secret.this.arn }
    error_message = "The rotator makes the first version, of nothing that Terraform says."
  }
}

run "is_renewed_by_its_rotator_on_a_schedule" {
  assert {
    condition = (
      aws_secretsmanager_secret_rotation.this.rotation_lambda_arn == "arn:aws:lambda:eu-central-1:123456789012:function:custody-test-rotator"
      && aws_secretsmanager_secret_rotation.this.rotation_rules[0].automatically_after_days == 30
    )
    error_message = "The function renews it every 30 days."
  }

  assert {
    condition = (
      aws_lambda_permission.rotate.function_name == "arn:aws:lambda:eu-central-1:123456789012:function:custody-test-rotator"
      && aws_lambda_permission.rotate.principal == "secretsmanager.amazonaws.com" && aws_lambda_permission.rotate.source_account == "123456789012"
      && aws_lambda_permission.rotate.source_arn == "arn:aws:secretsmanager:eu-central-1:123456789012:secret:custody-test-warehouse-??????"
    )
    error_message = "Secrets Manager invokes the function only for this secret."
  }
}

run "renews_for_nobody_yet" {
  command = plan
  variables {
    readers = []
  }

  assert {
    condition     = flatten([for c in data.aws_iam_policy_document.this.statement[0].condition : tolist(c.values)]) == ["arn:aws:iam::123456789012:role/custody-test-rotator"]
    error_message = "Without readers, only the rotator reads it."
  }
}

# A run takes seconds: each of the following tests as many refusals as possible at once, one wrong value per variable.

run "refuses_what_is_not_there" {
  command = plan
  variables {
    account_id       = "x"
    deployers        = []
    description      = ""
    name             = "custody-test-loader"
    readers          = ["arn:aws:iam::123456789012:user/alice"]
    recovery_days    = 0
    rotation_days    = 0
    rotator_role_arn = "custody-test-rotator"
    rotator = {
      code               = { bucket = "custody-test-artifacts-123456789012", handler = "handler", zip_path = "./tests/code.zip" }
      environment        = {}
      key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/1"
      log_retention_days = 365
      name               = "custody-test-rotator"
      role_arn           = "arn:aws:iam::123456789012:role/custody-test-rotator"
      topic_arn          = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts"
    }
  }
  expect_failures = [
    var.account_id, var.deployers, var.description, var.name, var.readers, var.recovery_days, var.rotation_days,
    var.rotator, var.rotator_role_arn,
  ]
}

run "refuses_an_account_as_deployer_a_fraction_of_a_day_and_a_secret_in_the_environment" {
  command = plan
  variables {
    deployers     = ["arn:aws:iam::123456789012:root"]
    name          = "The Warehouse"
    recovery_days = 31
    rotation_days = 1.5
    rotator = {
      code               = { bucket = "custody-test-artifacts-123456789012", handler = "rotator.handler.handler", zip_path = "./tests/code.zip" }
      environment        = { DB_PASSWORD = "x" }
      key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/1"
      log_retention_days = 365
      name               = "custody-test-rotator"
      role_arn           = "arn:aws:iam::123456789012:role/custody-test-rotator"
      topic_arn          = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts"
    }
  }
  expect_failures = [var.deployers, var.name, var.recovery_days, var.rotation_days, var.rotator]
}

run "refuses_too_long_a_life_and_a_function_without_a_name" {
  command = plan
  variables {
    rotation_days = 91
    rotator = {
      code               = { bucket = "custody-test-artifacts-123456789012", handler = "rotator.handler.handler", zip_path = "./tests/code.zip" }
      environment        = {}
      key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/1"
      log_retention_days = 365
      name               = "The Rotator"
      role_arn           = "arn:aws:iam::123456789012:role/custody-test-rotator"
      topic_arn          = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts"
    }
  }
  expect_failures = [var.rotation_days, var.rotator]
}
