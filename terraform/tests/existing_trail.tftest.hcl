mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  account_id   = "123456789012"
  environment  = "test"
  operators    = { deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
  people       = { auditor = { principals = ["arn:aws:iam::123456789012:user/somebody"] } }
  region       = "eu-central-1"
  signing_key  = "b"
  signing_keys = { b = { valid_from = "2026-01-01T00:00:00Z" } }

  existing_trail = {
    arn             = "arn:aws:cloudtrail:us-east-1:210987654321:trail/everybody"
    bucket          = "trails-of-the-organization"
    prefix          = "logs"
    organization_id = "o-exampleorgid"
    key_arn         = "arn:aws:kms:us-east-1:210987654321:key/1234abcd-12ab-4cde-8123-1234567890ab"
  }
}

run "makes_no_trail_and_reads_the_one_that_is_there" {
  command = plan

  assert {
    condition     = length(module.trail_key) == 0 && length(module.cloudtrail_log) == 0 && length(module.trail_logs_role) == 0
    error_message = "No key, bucket or role of a trail is made."
  }

  assert {
    condition = (
      local.deployment.trail_arn == var.existing_trail.arn
      && local.deployment.management_trail_arn == var.existing_trail.arn
      && local.deployment.buckets["cloudtrail-log"] == "trails-of-the-organization"
      && local.deployment.existing_trail_folder == "logs/AWSLogs/o-exampleorgid/123456789012/"
      && local.deployment.keys["trail"] == var.existing_trail.key_arn
    )
    error_message = "custody reads the trail where it is."
  }

  assert {
    condition = alltrue([
      for document in [data.aws_iam_policy_document.existing_trail[0], data.aws_iam_policy_document.existing_trail_bucket[0]] :
      tolist(document.statement[0].resources) == tolist(["arn:aws:s3:::trails-of-the-organization/logs/AWSLogs/o-exampleorgid/123456789012/*"])
      && [for condition in document.statement[1].condition : condition.values if condition.variable == "s3:prefix"]
      == [tolist(["logs/AWSLogs/o-exampleorgid/123456789012/*"])]
    ])
    error_message = "Of the organization's files, only this account's are read and listed."
  }

  assert {
    condition = (
      flatten([for s in data.aws_iam_policy_document.sealer_objects.statement : s.resources if s.sid == "ReadDigests"])
      == ["arn:aws:s3:::trails-of-the-organization/logs/AWSLogs/o-exampleorgid/123456789012/CloudTrail-Digest/*"]
      && flatten([for s in data.aws_iam_policy_document.sealer_keys.statement : s.resources if s.sid == "DecryptDigests"])
      == [var.existing_trail.key_arn]
      && contains(
        flatten([for s in data.aws_iam_policy_document.auditor_objects.statement : s.resources if s.sid == "ReadTrailAndLedgerThroughAthena"]),
        "arn:aws:s3:::trails-of-the-organization/logs/AWSLogs/o-exampleorgid/123456789012/CloudTrail/*",
      )
    )
    error_message = "The sealer reads its digests, the auditor its log files."
  }

  assert {
    condition = (
      length([for s in data.aws_iam_policy_document.people_break_glass.statement : s if s.sid == "StartTrailAgain"]) == 0
      && !contains(flatten([for s in data.aws_iam_policy_document.people_security_admin.statement : s.resources]), "arn:aws:s3:::trails-of-the-organization")
    )
    error_message = "Nobody changes the trail of somebody else."
  }

  assert {
    condition = keys(output.existing_trail_owner) == [var.existing_trail.arn] && anytrue([
      for selector in jsondecode(output.existing_trail_owner[var.existing_trail.arn].event_selectors) : selector.Name == "Management writes"
    ])
    error_message = "What its owner adds is an output."
  }
}

run "reads_a_trail_of_the_account" {
  command = plan

  variables {
    existing_trail = { arn = "arn:aws:cloudtrail:eu-central-1:123456789012:trail/account", bucket = "trail.of.the.account" }
  }

  assert {
    condition = (
      local.trail_folder == "AWSLogs/123456789012/"
      && local.trail_key_arns == []
      && output.existing_trail_owner[var.existing_trail.arn].key_policy == null
      && !contains(keys(local.deployment.keys), "trail")
    )
    error_message = "Without a prefix, an organization or a key."
  }
}

run "refuses_what_cannot_be_read" {
  command = plan
  module {
    source = "./tests/inputs"
  }

  variables {
    existing_trail = { arn = "arn:aws:cloudtrail:us-east-1:210987654321:trail/everybody", bucket = "trails-of-the-organization", organization_id = "o-exampleorgid", prefix = "logs/" }
  }

  expect_failures = [var.existing_trail]
}

run "refuses_a_trail_of_another_account_alone" {
  command = plan
  module {
    source = "./tests/inputs"
  }

  variables {
    existing_trail = { arn = "arn:aws:cloudtrail:us-east-1:210987654321:trail/everybody", bucket = "trails-of-the-organization" }
  }

  expect_failures = [var.existing_trail]
}

run "refuses_to_name_it_twice" {
  command = plan
  module {
    source = "./tests/inputs"
  }

  variables {
    management_trail_arn = "arn:aws:cloudtrail:us-east-1:210987654321:trail/everybody"
  }

  expect_failures = [var.management_trail_arn]
}
