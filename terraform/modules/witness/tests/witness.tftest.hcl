mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id      = "210987654321"
  alert_emails    = ["witness@example.org"]
  deployers       = ["arn:aws:iam::210987654321:role/administrator"]
  name            = "custody-witness"
  signing_key_arn = "arn:aws:kms:eu-central-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  witness_name    = "witness.example/custody"
  zip_path        = "./tests/code.zip"

  logs = {
    prod = ["log.example/prod+0123abcd+AjBZMBMG", "log.example/prod+0123abce+AekyeRrm"]
    test = ["log.example/test+0123abcd+AjBZMBMG"]
  }
}

run "cosigns_and_may_do_nothing_else" {
  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.cosigner.statement : s.sid => {
        actions    = sort(s.actions)
        conditions = { for c in s.condition : c.variable => { test = c.test, values = sort(c.values) } }
        resources  = sort(s.resources)
      }
      }) == jsonencode({
      KeepState = {
        actions    = ["s3:GetObject", "s3:PutObject"]
        conditions = {}
        resources  = ["arn:aws:s3:::custody-witness-state-210987654321/checkpoints/*"]
      }
      SeeThatNothingIsKept = { actions = ["s3:ListBucket"], conditions = {}, resources = ["arn:aws:s3:::custody-witness-state-210987654321"] }
      EncryptState         = { actions = ["kms:Decrypt", "kms:GenerateDataKey"], conditions = {}, resources = [module.key.arn] }
      TellKey              = { actions = ["kms:GetPublicKey"], conditions = {}, resources = [var.signing_key_arn] }
      Cosign = {
        actions    = ["kms:Sign"]
        conditions = { "kms:SigningAlgorithm" = { test = "StringEquals", values = ["ED25519_SHA_512"] } }
        resources  = [var.signing_key_arn]
      }
      WriteLog = {
        actions    = ["logs:CreateLogStream", "logs:PutLogEvents"]
        conditions = {}
        resources  = ["arn:aws:logs:eu-central-1:210987654321:log-group:/aws/lambda/custody-witness-cosigner:log-stream:*"]
      }
    })
    error_message = "The function keeps its state and cosigns with its one key."
  }
}

run "answers_one_route_and_not_often" {
  assert {
    condition     = aws_apigatewayv2_route.this.route_key == "POST /add-checkpoint"
    error_message = "There is one route."
  }

  assert {
    condition = alltrue([for settings in aws_apigatewayv2_stage.this.default_route_settings :
    settings.throttling_rate_limit == 1 && settings.throttling_burst_limit == 5])
    error_message = "Requests are limited."
  }

  assert {
    condition     = aws_apigatewayv2_stage.this.access_log_settings[0].destination_arn == aws_cloudwatch_log_group.requests.arn
    error_message = "Requests are logged."
  }

  assert {
    condition = (
      aws_lambda_permission.api.principal == "apigateway.amazonaws.com"
      && aws_lambda_permission.api.source_account == "210987654321"
      && endswith(aws_lambda_permission.api.source_arn, "/*/POST/add-checkpoint")
    )
    error_message = "The API alone invokes the function, by that route."
  }
}

run "tells_of_each_log" {
  assert {
    condition = jsonencode({
      for name, alarm in aws_cloudwatch_metric_alarm.this : name => [alarm.metric_name, alarm.dimensions.log, alarm.comparison_operator, alarm.treat_missing_data]
      }) == jsonencode({
      prod-conflict = ["CheckpointsInConflict", "prod", "GreaterThanThreshold", "notBreaching"]
      prod-silent   = ["CheckpointsCosigned", "prod", "LessThanThreshold", "breaching"]
      test-conflict = ["CheckpointsInConflict", "test", "GreaterThanThreshold", "notBreaching"]
      test-silent   = ["CheckpointsCosigned", "test", "LessThanThreshold", "breaching"]
    })
    error_message = "Each log has an alarm for a conflict, and one for silence."
  }
}

run "refuses_a_witness_in_the_logs_own_account" {
  command = plan

  variables {
    logs = { prod = ["custody-prod-provenance-210987654321.s3.eu-central-1.amazonaws.com/log+0123abcd+AjBZMBMG"] }
  }

  expect_failures = [var.account_id]
}

run "refuses_keys_that_sign_no_log_and_logs_that_are_mixed_up" {
  command = plan

  variables {
    logs = { prod = ["log.example/prod+0123abcd+BEkyeRrm"] }
  }

  expect_failures = [var.logs]
}

run "refuses_one_log_under_two_labels" {
  command = plan

  variables {
    logs = { prod = ["log.example/prod+0123abcd+AjBZMBMG"], same = ["log.example/prod+0123abce+AekyeRrm"] }
  }

  expect_failures = [var.logs]
}

run "refuses_keys_of_two_logs_under_one_label" {
  command = plan

  variables {
    logs = { prod = ["log.example/prod+0123abcd+AjBZMBMG", "log.example/other+0123abce+AekyeRrm"] }
  }

  expect_failures = [var.logs]
}

run "refuses_more_than_a_function_can_be_told" {
  command = plan

  variables {
    logs = { for number in range(60) : "log-${number}" => ["log.example/${number}+0123abcd+AjBZMBMGByqGSM49AgEGCCqGSM49"] }
  }

  expect_failures = [var.logs]
}

run "refuses_a_key_of_another_account_and_nobody_to_tell" {
  command = plan

  variables {
    alert_emails    = []
    signing_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  expect_failures = [var.alert_emails, var.signing_key_arn]
}

run "refuses_a_key_of_another_region" {
  command = plan

  variables {
    signing_key_arn = "arn:aws:kms:us-east-1:210987654321:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  expect_failures = [var.signing_key_arn]
}
