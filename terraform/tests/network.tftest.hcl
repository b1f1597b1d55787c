# Functions and jobs in a network.

# Plans with every value known, for what would be known after an apply: an apply of the root takes several plans.
mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"

  mock_resource "aws_security_group" {
    defaults = {
      id = "sg-0123456789abcdef0"
    }
  }
}

variables {
  account_id   = "123456789012"
  environment  = "test"
  operators    = { deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
  region       = "eu-central-1"
  signing_key  = "a"
  signing_keys = { a = { valid_from = "2025-01-01T00:00:00Z" } }
}

run "puts_functions_into_it" {
  command = plan

  variables {
    network = { azs = ["eu-central-1a", "eu-central-1b"], cidr = "10.20.0.0/16" }
  }

  assert {
    condition     = toset(local.function_vpc.security_group_ids) == toset([module.network[0].security_group_id]) && length(local.function_vpc.subnet_ids) == 2
    error_message = "Functions run in its subnets and its group."
  }

  assert {
    condition     = toset(keys(module.network[0].endpoint_ids)) == toset(["athena", "events", "glue", "kms", "logs", "s3", "sns", "sqs"])
    error_message = "What the functions call can be reached."
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.function_network["recorder"].statement :
      flatten([for c in s.condition : tolist(c.values)]) if s.effect == "Deny"
    ] == [["arn:aws:lambda:eu-central-1:123456789012:function:custody-test-recorder"]]
    error_message = "A function's code makes no network interface: Lambda does."
  }

  assert {
    condition     = alltrue([for short in ["gate", "recorder"] : keys(local.function_network_policies[short]) == ["make-interfaces"]]) && output.roles["flow-logs"] == "arn:aws:iam::123456789012:role/custody-test-flow-logs"
    error_message = "The functions' roles and the one of the log have what they need."
  }
}

run "refuses_zones_of_another_region" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    network = { azs = ["us-east-1a", "us-east-1b"], cidr = "10.20.0.0/16" }
  }
  expect_failures = [var.network]
}

run "refuses_no_way_to_sqs" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    network = { azs = ["eu-central-1a", "eu-central-1b"], cidr = "10.20.0.0/16", services = ["athena", "events", "glue", "kms", "logs", "sns"] }
  }
  expect_failures = [var.network]
}
