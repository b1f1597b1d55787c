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
  assert {
    condition     = aws_iam_role_policies_exclusive.this.policy_names == toset(["write-log"])
    error_message = "Inline policies are those of the input alone."
  }

  assert {
    condition     = length(aws_iam_role_policy_attachments_exclusive.this.policy_arns) == 0
    error_message = "No managed policy is attached."
  }
}

# A run costs seconds: each of the following refuses as much at once as it can, one wrong thing a variable.

run "refuses_what_is_not_there" {
  command = plan
  variables {
    account_id  = "1234"
    description = ""
    name        = "custody test"
    policies    = { write-log = "logs:PutLogEvents" }
    service     = "arn:aws:iam::123456789012:user/alice"
    source_arns = ["arn:aws:lambda:eu-central-1:123456789012:function:*"]
  }
  expect_failures = [var.account_id, var.description, var.name, var.policies, var.service, var.source_arns]
}

run "refuses_a_role_that_does_nothing_for_everything" {
  command = plan
  variables {
    policies    = {}
    source_arns = []
  }
  expect_failures = [var.policies, var.source_arns]
}
