# Amazon MWAA, which runs the DAGs.

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
    condition     = length(module.orchestrator) == 0 && length(module.orchestrator_bucket) == 0 && length(module.orchestrator_key) == 0 && !contains(keys(output.buckets), "airflow") && !contains(keys(output.roles), "orchestrator") && !contains(keys(module.boundary), "orchestrator")
    error_message = "Without an orchestrator there is neither Airflow nor its bucket, key, role and boundary."
  }
}

run "gives_the_tasks_what_they_do" {
  command   = plan
  providers = { aws = aws.known }

  variables {
    datasets     = ["examples/streaming"]
    operators    = { data = ["arn:aws:iam::123456789012:role/custody-test-data"], deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
    orchestrator = { network = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1", "subnet-2"] } }
    snowflake = {
      account      = "myorg-account123"
      external_id  = "custody-test"
      iam_user_arn = "arn:aws:iam::999999999999:user/snowflake"
      run_by       = ["arn:aws:iam::123456789012:role/custody-test-scheduler"]
    }
  }

  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.orchestrator_work[0].statement : s.sid => sort(s.actions)
      }) == jsonencode({
      AskGateToStartJobs      = ["lambda:InvokeFunction"]
      ExamineTrails           = ["cloudtrail:GetEventSelectors", "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus"]
      LoadAsLoader            = ["sts:AssumeRole"]
      ReadManifestsAndLineage = ["s3:GetObject", "s3:GetObjectVersion"]
      TellOfRuns              = ["sns:Publish"]
      VerifyDigestsOfTheTrail = ["cloudtrail:ListPublicKeys"]
      WatchJobs               = ["glue:GetJobRuns"]
    })
    error_message = "The tasks ask, watch, read and tell; they write nothing."
  }

  assert {
    condition = alltrue([
      for short in ["airflow", "analytics", "athena-results", "cloudtrail-log", "processed", "provenance", "raw-data"] :
      contains(local.bucket_principals[short], "arn:aws:iam::123456789012:role/custody-test-orchestrator")
    ]) && !contains(local.bucket_principals["artifacts"], "arn:aws:iam::123456789012:role/custody-test-orchestrator")
    error_message = "The buckets that it reads let its role in."
  }

  assert {
    condition     = toset(keys(module.boundary)) == toset(["orchestrator", "people", "service"]) && output.buckets["airflow"] == "custody-test-airflow-123456789012"
    error_message = "It has a boundary of its own, and its bucket is in the outputs."
  }
}

run "refuses_a_daily_run_of_nothing_and_a_role_without_its_boundary" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    datasets               = []
    orchestrator           = { network = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1", "subnet-2"] } }
    permissions_boundaries = { people = "arn:aws:iam::123456789012:policy/people", service = "arn:aws:iam::123456789012:policy/service" }
  }
  expect_failures = [var.orchestrator]
}
