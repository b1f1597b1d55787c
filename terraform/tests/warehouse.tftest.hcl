# A warehouse whose password is in Secrets Manager.

# Plans with every value known, for what would be known after an apply: an apply of the root takes several plans.
mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  account_id   = "123456789012"
  environment  = "test"
  operators    = { deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
  region       = "eu-central-1"
  signing_key  = "a"
  signing_keys = { a = { valid_from = "2025-01-01T00:00:00Z" } }
}

run "lets_the_rotator_touch_one_secret_and_one_account" {
  command = plan

  variables {
    network = { azs = ["eu-central-1a", "eu-central-1b"], cidr = "10.20.0.0/16" }
    warehouse = {
      account  = "loader"
      api_arn  = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1"
      endpoint = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1"
    }
  }

  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.rotator_secret[0].statement :
      s.sid => { actions = s.actions, resources = s.resources, stages = flatten([for c in s.condition : tolist(c.values)]) }
      }) == jsonencode({
      SeeVersions = {
        actions   = ["secretsmanager:DescribeSecret"]
        resources = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:custody-test-warehouse-??????"]
        stages    = []
      }
      ReadCurrentAndPendingVersion = {
        actions   = ["secretsmanager:GetSecretValue"]
        resources = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:custody-test-warehouse-??????"]
        stages    = ["AWSCURRENT", "AWSPENDING"]
      }
      MakeVersions = {
        actions   = ["secretsmanager:PutSecretValue"]
        resources = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:custody-test-warehouse-??????"]
        stages    = []
      }
      MakeVersionsCurrent = {
        actions   = ["secretsmanager:UpdateSecretVersionStage"]
        resources = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:custody-test-warehouse-??????"]
        stages    = ["AWSCURRENT"]
      }
    })
    error_message = "It rotates this secret, and reads its pending version."
  }

  assert {
    condition = toset(data.aws_iam_policy_document.rotator_account[0].statement[0].resources) == toset([
      "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1/POST/accounts/loader/sign-in",
      "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1/PUT/accounts/loader/password",
    ])
    error_message = "It sets and tries the password of this account."
  }

  assert {
    condition     = length(setsubtract(["execute-api", "secretsmanager"], keys(module.network[0].endpoint_ids))) == 0
    error_message = "In a network, it reaches the services it calls."
  }

  assert {
    condition     = output.roles["rotator"] == "arn:aws:iam::123456789012:role/custody-test-rotator"
    error_message = "It has a role of its own."
  }
}

run "refuses_an_account_with_a_slash" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    warehouse = { account = "a/b", api_arn = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1", endpoint = "https://a.example" }
  }
  expect_failures = [var.warehouse]
}

run "refuses_every_api" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    warehouse = { account = "loader", api_arn = "arn:aws:execute-api:eu-central-1:123456789012:*", endpoint = "https://a.example" }
  }
  expect_failures = [var.warehouse]
}

run "refuses_an_endpoint_without_tls" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    warehouse = { account = "loader", api_arn = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1", endpoint = "http://a.example" }
  }
  expect_failures = [var.warehouse]
}
