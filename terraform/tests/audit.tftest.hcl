mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  account_id   = "123456789012"
  environment  = "test"
  operators    = { deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
  region       = "eu-central-1"
  signing_key  = "b"
  signing_keys = { b = { valid_from = "2026-01-01T00:00:00Z" } }
}

run "logs_what_is_data_where_nobody_else_writes" {
  command = plan

  assert {
    condition     = [for s in data.aws_iam_policy_document.cloudtrail_log.statement : s.sid] == ["CloudTrailChecksBucket", "CloudTrailDeliversLogs", "NobodyElseDelivers"]
    error_message = "The policy of the trail's bucket only allows delivery."
  }

  assert {
    condition = alltrue([
      for s in slice(data.aws_iam_policy_document.cloudtrail_log.statement, 0, 2) :
      s.effect != "Deny"
      && alltrue([for p in s.principals : p.type == "Service" && tolist(p.identifiers) == tolist(["cloudtrail.amazonaws.com"])])
      && anytrue([
        for c in s.condition :
        c.test == "StringEquals" && c.variable == "aws:SourceArn" && c.values == tolist([local.trail_arn])
      ])
    ])
    error_message = "CloudTrail may act on the bucket for this trail only: without aws:SourceArn, for anybody's."
  }

  assert {
    condition = (
      tolist(data.aws_iam_policy_document.cloudtrail_log.statement[1].resources)
      == tolist(["arn:aws:s3:::custody-test-cloudtrail-log-123456789012/AWSLogs/123456789012/*"])
      && anytrue([
        for c in data.aws_iam_policy_document.cloudtrail_log.statement[1].condition :
        c.variable == "s3:x-amz-acl" && c.values == tolist(["bucket-owner-full-control"])
      ])
    )
    error_message = "CloudTrail delivers into this account's folder, with bucket-owner-full-control."
  }

  assert {
    condition = (
      data.aws_iam_policy_document.cloudtrail_log.statement[2].effect == "Deny"
      && contains(data.aws_iam_policy_document.cloudtrail_log.statement[2].actions, "s3:PutObject")
      && anytrue([
        for c in data.aws_iam_policy_document.cloudtrail_log.statement[2].condition :
        c.test == "StringNotEquals" && c.variable == "aws:SourceArn" && c.values == tolist([local.trail_arn])
      ])
    )
    error_message = "Nobody else adds a file to the trail."
  }

  assert {
    condition     = setunion(local.logged_buckets, ["access-logs", "cloudtrail-log"]) == toset(keys(local.bucket_names))
    error_message = "A bucket is logged, or is one of the two that hold logs."
  }

  assert {
    condition = (
      [for s in data.aws_iam_policy_document.trail_logs.statement : tolist(s.resources)]
      == [tolist(["arn:aws:logs:eu-central-1:123456789012:log-group:/aws/cloudtrail/custody-test:log-stream:123456789012_CloudTrail_*"])]
    )
    error_message = "The role writes the trail's log streams and nothing else."
  }

  assert {
    condition     = length(local.reports) == length(fileset("../sql", "reports/*.sql")) && alltrue([for report in values(local.reports) : strcontains(report.description, "?")])
    error_message = "Every report is saved, with the question in its first comment."
  }
}
