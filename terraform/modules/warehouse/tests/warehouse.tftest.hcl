mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id         = "123456789012"
  alerts             = { key_arn = "arn:aws:kms:eu-central-1:123456789012:key/33333333-12ab-4cde-8123-1234567890ab", topic_arn = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts" }
  boundary_arn       = "arn:aws:iam::123456789012:policy/custody-test-service-boundary"
  bucket_arns        = { for short in ["analytics", "artifacts", "processed", "provenance", "raw-data"] : short => "arn:aws:s3:::custody-test-${short}" }
  data_key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-12ab-4cde-8123-1234567890ab"
  integration        = { external_id = "custody-test", iam_user_arn = "arn:aws:iam::210987654321:user/snowflake" }
  name               = "custody-test"
  provenance_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/22222222-12ab-4cde-8123-1234567890ab"
  run_by             = ["arn:aws:iam::123456789012:role/custody-test-scheduler"]
  secret             = { deployers = ["arn:aws:iam::123456789012:role/custody-test-apply"], key_writers = ["arn:aws:iam::123456789012:role/custody-test-data"] }
}

run "lets_snowflake_read_gold_and_nothing_else" {
  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.integration.statement :
      s.sid => { actions = sort(s.actions), resources = s.resources, conditions = { for c in s.condition : c.variable => c.values } }
      }) == jsonencode({
      ReadGold    = { actions = ["s3:GetObject", "s3:GetObjectVersion"], resources = ["arn:aws:s3:::custody-test-analytics/tables/*"], conditions = {} }
      ListGold    = { actions = ["s3:ListBucket"], resources = ["arn:aws:s3:::custody-test-analytics"], conditions = { "s3:prefix" = ["tables/*"] } }
      FindBucket  = { actions = ["s3:GetBucketLocation"], resources = ["arn:aws:s3:::custody-test-analytics"], conditions = {} }
      DecryptGold = { actions = ["kms:Decrypt"], resources = [var.data_key_arn], conditions = { "kms:ViaService" = ["s3.eu-central-1.amazonaws.com"] } }
    })
    error_message = "Snowflake reads the folder of gold tables, under the data key."
  }
}

run "lets_the_loader_read_and_tell" {
  assert {
    condition = setunion([
      for document in [data.aws_iam_policy_document.loader, data.aws_iam_policy_document.loader_secret] : toset(flatten([for s in document.statement : tolist(s.actions)]))
      ]...) == toset([
      "kms:Decrypt", "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions", "secretsmanager:GetSecretValue",
    ])
    error_message = "The loader reads."
  }

  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.loader_alerts.statement : s.sid => { actions = s.actions, resources = s.resources }
      }) == jsonencode({
      TellWhatSnowflakeSaysOfLoads = { actions = ["sns:Publish"], resources = [var.alerts.topic_arn] }
      EncryptMessages              = { actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [var.alerts.key_arn] }
    })
    error_message = "It publishes to the topic of alerts."
  }

  assert {
    condition = flatten([for s in data.aws_iam_policy_document.loader.statement : tolist(s.resources) if s.sid == "ReadEvidence"]) == [
      "arn:aws:s3:::custody-test-provenance/keys/registry.json",
      "arn:aws:s3:::custody-test-provenance/log/*",
      "arn:aws:s3:::custody-test-provenance/provenance/*",
    ]
    error_message = "Of the evidence, it reads registry, log and receipts."
  }
}

run "shows_the_key_to_the_loader_alone" {
  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.secret.statement :
      s.sid => { actions = s.actions, conditions = { for c in s.condition : "${c.test} ${c.variable}" => c.values } }
      }) == jsonencode({
      NobodyElseReads          = { actions = ["secretsmanager:GetSecretValue"], conditions = { "ArnNotLike aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/custody-test-loader"] } }
      NobodyElseStores         = { actions = ["secretsmanager:PutSecretValue"], conditions = { "ArnNotLike aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/custody-test-data"] } }
      NobodyElseMovesVersions  = { actions = ["secretsmanager:UpdateSecretVersionStage"], conditions = { "ArnNotLike aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/custody-test-data"] } }
      NobodyElseDescribesAnew  = { actions = ["secretsmanager:UpdateSecret"], conditions = { "ArnNotLike aws:PrincipalArn" = ["arn:aws:iam::123456789012:role/custody-test-apply"] } }
      NobodyCopiesToAnotherOne = { actions = ["secretsmanager:ReplicateSecretToRegions"], conditions = {} }
      NobodyWithoutTls         = { actions = ["secretsmanager:*"], conditions = { "Bool aws:SecureTransport" = ["false"] } }
    })
    error_message = "The loader reads, those who make key pairs store, deployers describe, and all others are denied."
  }

  assert {
    condition     = aws_secretsmanager_secret.private_key.kms_key_id == module.key.arn && aws_secretsmanager_secret.private_key.policy == data.aws_iam_policy_document.secret.json
    error_message = "The secret has that policy, and a key of its own, from its beginning."
  }
}

run "refuses_all_of_another_account" {
  command = plan
  variables {
    integration = { external_id = "custody-test", iam_user_arn = "arn:aws:iam::210987654321:root" }
  }
  expect_failures = [var.integration]
}

run "refuses_an_external_id_that_is_guessed" {
  command = plan
  variables {
    integration = { external_id = "0000", iam_user_arn = "arn:aws:iam::210987654321:user/snowflake" }
  }
  expect_failures = [var.integration]
}

run "refuses_people_as_loaders" {
  command = plan
  variables {
    run_by = ["arn:aws:iam::123456789012:user/alice"]
  }
  expect_failures = [var.run_by]
}

run "refuses_that_nobody_stores_the_key" {
  command = plan
  variables {
    secret = { deployers = ["arn:aws:iam::123456789012:role/custody-test-apply"], key_writers = [] }
  }
  expect_failures = [var.secret]
}
