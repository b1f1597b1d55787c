# Snowflake, into which gold tables are loaded.

mock_provider "aws" {
  source = "./tests/mocks"
}

# Plans with every value known, for what would be known after an apply: an apply of the root takes several plans.
mock_provider "aws" {
  alias           = "known"
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  account_id   = "123456789012"
  environment  = "test"
  operators    = { data = ["arn:aws:iam::123456789012:role/custody-test-data"], deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
  region       = "eu-central-1"
  signing_key  = "a"
  signing_keys = { a = { valid_from = "2025-01-01T00:00:00Z" } }
}

run "is_off_by_default" {
  command = plan

  assert {
    condition     = length(module.warehouse) == 0 && length(output.snowflake) == 0 && !contains(keys(output.roles), "loader") && !contains(keys(output.monitoring_urls), "snowflake")
    error_message = "Without Snowflake there are no roles and no secret for it."
  }
}

run "names_what_is_in_snowflake_and_in_aws" {
  command   = plan
  providers = { aws = aws.known }

  variables {
    snowflake = {
      account      = "MyOrg-account_123"
      external_id  = "custody-test"
      iam_user_arn = "arn:aws:iam::210987654321:user/snowflake"
      run_by       = ["arn:aws:iam::123456789012:role/scheduler"]
    }
  }

  assert {
    condition = output.snowflake.name == "CUSTODY_TEST" && output.snowflake.stage_url == "s3://custody-test-analytics-123456789012/tables/" && (
    output.snowflake.integration_role_arn == "arn:aws:iam::123456789012:role/custody-test-snowflake")
    error_message = "custody warehouse setup prints these."
  }

  assert {
    condition     = output.monitoring_urls["snowflake"] == "https://myorg-account-123.snowflakecomputing.com"
    error_message = "In a host name, an underscore of the account is a hyphen."
  }

  assert {
    condition     = output.roles["loader"] == "arn:aws:iam::123456789012:role/custody-test-loader" && output.roles["snowflake"] == "arn:aws:iam::123456789012:role/custody-test-snowflake"
    error_message = "Each has a role of its own."
  }
}

run "refuses_an_account_that_is_a_url" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    snowflake = { account = "https://a.snowflakecomputing.com", external_id = "custody-test", iam_user_arn = "arn:aws:iam::210987654321:user/s", run_by = ["arn:aws:iam::123456789012:role/r"] }
  }
  expect_failures = [var.snowflake]
}

run "refuses_that_nobody_may_store_the_key" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    operators = { deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
    snowflake = { account = "myorg-a", external_id = "custody-test", iam_user_arn = "arn:aws:iam::210987654321:user/s", run_by = ["arn:aws:iam::123456789012:role/r"] }
  }
  expect_failures = [var.snowflake]
}
