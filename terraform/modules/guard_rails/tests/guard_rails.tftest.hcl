mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id       = "123456789012"
  deployers        = ["arn:aws:iam::123456789012:role/custody-test-apply"]
  evidence_buckets = ["custody-test-provenance-123456789012", "custody-test-cloudtrail-log-123456789012"]
  prefix           = "custody-test"
  trail_name       = "custody-test"
}

run "creates_nothing_without_a_target" {
  assert {
    condition     = length(aws_organizations_policy.this) == 0 && length(aws_organizations_policy_attachment.this) == 0
    error_message = "A deployment's own account applies no policy of the organization."
  }
}

run "is_attached_to_every_target" {
  variables {
    targets = ["123456789012", "ou-ab12-11111111"]
  }

  assert {
    condition     = keys(aws_organizations_policy.this) == ["RESOURCE_CONTROL_POLICY", "SERVICE_CONTROL_POLICY"] && length(aws_organizations_policy_attachment.this) == 4
    error_message = "Both policies are attached to both targets."
  }
}

run "refuses_a_list_without_deployers" {
  command = plan

  variables {
    deployers = []
  }

  expect_failures = [var.deployers]
}

run "refuses_what_is_no_target" {
  command = plan

  variables {
    targets = ["production"]
  }

  expect_failures = [var.targets]
}
