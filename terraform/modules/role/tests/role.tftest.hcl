mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id  = "123456789012"
  description = "Does what a test needs"
  name        = "custody-test-recorder"
  policies    = { write-log = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  service     = "lambda.amazonaws.com"
  source_arns = ["arn:aws:lambda:eu-central-1:123456789012:function:custody-test-recorder"]
}

run "trusts_the_service_for_its_resource_alone" {
  assert {
    condition = [
      for s in data.aws_iam_policy_document.trust.statement : {
        actions    = tolist(s.actions)
        identities = flatten([for p in s.principals : tolist(p.identifiers)])
        conditions = { for c in s.condition : c.variable => { test = c.test, values = c.values } }
      }
      ] == [{
        actions    = tolist(["sts:AssumeRole"])
        identities = ["lambda.amazonaws.com"]
        conditions = {
          "aws:SourceAccount" = { test = "StringEquals", values = tolist(["123456789012"]) }
          "aws:SourceArn" = {
            test   = "ArnEquals"
            values = tolist(["arn:aws:lambda:eu-central-1:123456789012:function:custody-test-recorder"])
          }
        }
    }]
    error_message = "The trust names the service, the account and the resource."
  }

  assert {
    condition     = output.arn == "arn:aws:iam::123456789012:role/custody-test-recorder" && output.ready_arn == output.arn
    error_message = "The ARN is made from the name."
  }
}

run "keeps_no_policy_but_its_own" {
  assert {
    condition     = aws_iam_role_policies_exclusive.this.policy_names == toset(["write-log"])
    error_message = "Inline policies are those of the input alone."
  }

  assert {
    condition     = length(aws_iam_role_policy_attachments_exclusive.this.policy_arns) == 0
    error_message = "No managed policy is attached."
  }
}

run "refuses_an_account_that_is_none" {
  command = plan
  variables {
    account_id = "1234"
  }
  expect_failures = [var.account_id]
}

run "refuses_to_say_nothing" {
  command = plan
  variables {
    description = ""
  }
  expect_failures = [var.description]
}

run "refuses_a_name_iam_would_not_take" {
  command = plan
  variables {
    name = "custody test"
  }
  expect_failures = [var.name]
}

run "refuses_a_role_without_a_policy" {
  command = plan
  variables {
    policies = {}
  }
  expect_failures = [var.policies]
}

run "refuses_what_is_no_policy" {
  command = plan
  variables {
    policies = { write-log = "logs:PutLogEvents" }
  }
  expect_failures = [var.policies]
}

run "refuses_a_person_as_service" {
  command = plan
  variables {
    service = "arn:aws:iam::123456789012:user/alice"
  }
  expect_failures = [var.service]
}

run "refuses_to_trust_every_resource" {
  command = plan
  variables {
    source_arns = []
  }
  expect_failures = [var.source_arns]
}

run "refuses_a_wildcard_resource" {
  command = plan
  variables {
    source_arns = ["arn:aws:lambda:eu-central-1:123456789012:function:*"]
  }
  expect_failures = [var.source_arns]
}
