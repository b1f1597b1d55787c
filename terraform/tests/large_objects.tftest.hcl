# A task for objects that are too large for the recorder.

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
  operators    = { deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
  region       = "eu-central-1"
  signing_key  = "a"
  signing_keys = { a = { valid_from = "2025-01-01T00:00:00Z" } }
}

run "is_off_by_default" {
  command = plan

  assert {
    condition     = length(module.hasher) == 0 && length(module.hasher_role) == 0 && !contains(keys(output.roles), "hasher") && !contains(keys(output.queues), "hasher")
    error_message = "Without large objects there is no task."
  }
}

run "hands_over_what_is_too_large" {
  command   = plan
  providers = { aws = aws.known }

  variables {
    large_objects = { image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/custody-test-tasks@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
    network       = { azs = ["eu-central-1a", "eu-central-1b"], cidr = "10.20.0.0/16" }
  }

  assert {
    condition     = local.recorder_roles == ["recorder", "hasher"] && length(module.hasher) == 1
    error_message = "Recorder and task make receipts."
  }

  assert {
    condition = (
      contains(keys(module.network[0].endpoint_ids), "ecr.api") && contains(keys(module.network[0].endpoint_ids), "ecr.dkr")
      && contains(keys(output.queues), "hasher-dlq") && output.roles["hasher-start"] == "arn:aws:iam::123456789012:role/custody-test-hasher-start"
    )
    error_message = "The network reaches the images; queues and roles are in the outputs."
  }
}

run "refuses_a_task_without_a_network" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    large_objects = { image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/custody-test-tasks@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  }
  expect_failures = [var.large_objects]
}

run "refuses_an_image_of_another_account" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    large_objects = { image = "210987654321.dkr.ecr.eu-central-1.amazonaws.com/custody-test-tasks@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
    network       = { azs = ["eu-central-1a", "eu-central-1b"], cidr = "10.20.0.0/16" }
  }
  expect_failures = [var.large_objects]
}
