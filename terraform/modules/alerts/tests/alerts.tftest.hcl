mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id     = "123456789012"
  emails         = ["ops@example.org"]
  prefix         = "custody-test"
  finding_emails = { "digest@example.org" = ["medium", "low"] }
  publishers     = ["arn:aws:iam::123456789012:role/custody-test-auditor"]
}

run "takes_alarms_and_rules_of_its_deployment_alone" {
  assert {
    condition = {
      for s in data.aws_iam_policy_document.this.statement : s.sid => flatten([
        for c in s.condition : c.values if c.variable == "aws:SourceArn"
      ]) if s.effect != "Deny"
      } == {
      CloudWatchAlarmsPublish = ["arn:aws:cloudwatch:eu-central-1:123456789012:alarm:custody-test-*"]
      EventRulesPublish       = ["arn:aws:events:eu-central-1:123456789012:rule/custody-test-*"]
      RolesPublish            = []
    }
    error_message = "Alarms and rules publish, and only those of this deployment; and the named roles."
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement :
      { for c in s.condition : "${c.test} ${c.variable}" => tolist(c.values) } if s.sid == "NobodyElsePublishes"
      ] == [{
        "ArnNotEquals aws:PrincipalArn"  = tolist(["arn:aws:iam::123456789012:role/custody-test-auditor"])
        "Bool aws:PrincipalIsAWSService" = tolist(["false"])
    }]
    error_message = "Nobody else publishes, whatever their own policies say."
  }

  assert {
    condition     = aws_sns_topic.this.kms_master_key_id == output.key_arn
    error_message = "The topic has its own key: the key aws/sns allows no alarm."
  }

  assert {
    condition     = output.topic_arn == "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts"
    error_message = "The ARN is made from the prefix."
  }

  assert {
    condition     = aws_sns_topic_subscription.email["ops@example.org"].protocol == "email"
    error_message = "Every address is subscribed."
  }

  assert {
    condition = (
      aws_sns_topic_subscription.email["ops@example.org"].filter_policy == null
      && jsondecode(aws_sns_topic_subscription.findings["digest@example.org"].filter_policy) == { severity = ["low", "medium"] }
    )
    error_message = "One receives everything, the other the severities of its own."
  }
}

run "refuses_what_is_not_there" {
  command = plan
  variables {
    account_id      = ""
    emails          = ["<your-address>"]
    key_window_days = 31
    prefix          = "Custody_Test"
    publishers      = ["arn:aws:iam::123456789012:role/*"]
  }
  expect_failures = [var.account_id, var.emails, var.key_window_days, var.prefix, var.publishers]
}

run "refuses_an_address_without_severities" {
  command = plan
  variables {
    finding_emails = { "digest@example.org" = [] }
  }
  expect_failures = [var.finding_emails]
}

run "refuses_an_address_twice" {
  command = plan
  variables {
    finding_emails = { "ops@example.org" = ["low"] }
  }
  expect_failures = [var.finding_emails]
}

# custody-dev-* would also match the names of a deployment custody-dev-prod.
run "refuses_a_prefix_that_begins_as_anothers" {
  command = plan
  variables {
    prefix = "custody-dev-prod"
  }
  expect_failures = [var.prefix]
}
