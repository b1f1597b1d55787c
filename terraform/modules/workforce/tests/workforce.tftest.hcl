mock_provider "aws" {
  source = "../../tests/mocks"

  mock_data "aws_ssoadmin_instances" {
    defaults = {
      arns               = ["arn:aws:sso:::instance/ssoins-1234567890abcdef"]
      identity_store_ids = ["d-1234567890"]
    }
  }

  mock_data "aws_identitystore_group" {
    defaults = {
      group_id = "90671234ab-12345678-1234-1234-1234-123456789012"
    }
  }

  mock_resource "aws_ssoadmin_permission_set" {
    defaults = {
      arn = "arn:aws:sso:::permissionSet/ssoins-1234567890abcdef/ps-1234567890abcdef"
    }
  }
}

variables {
  account_id    = "123456789012"
  boundary_name = "custody-test-people-boundary"
  prefix        = "custody-test"

  instance = {
    arn               = "arn:aws:sso:::instance/ssoins-1234567890abcdef"
    identity_store_id = "d-1234567890"
  }

  personas = {
    analyst = {
      description   = "Asks questions of the gold tables"
      group_ids     = ["12345678-1234-1234-1234-123456789012"]
      policies      = { query = "{\"Version\":\"2012-10-17\",\"Statement\":[]}", results = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
      session_hours = 8
    }
    break-glass = {
      description   = "Mends what nobody else may"
      group_names   = ["On call"]
      policies      = { emergency = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
      session_hours = 1
    }
  }
}

run "gives_each_persona_its_set" {
  assert {
    condition     = { for name, set in aws_ssoadmin_permission_set.this : set.name => set.session_duration } == { custody-test-analyst = "PT8H", custody-test-break-glass = "PT1H" }
    error_message = "A set is named after its persona, and its sessions end."
  }

  assert {
    condition     = data.aws_iam_policy_document.this["analyst"].source_policy_documents == tolist(values(var.personas["analyst"].policies))
    error_message = "The set's policy is that of the persona, all of it and no more."
  }

  assert {
    condition = alltrue([
      for attachment in aws_ssoadmin_permissions_boundary_attachment.this :
      attachment.permissions_boundary[0].customer_managed_policy_reference[0].name == "custody-test-people-boundary"
    ]) && length(aws_ssoadmin_permissions_boundary_attachment.this) == 2
    error_message = "Every set has the boundary of people."
  }

  assert {
    condition = { for label, assignment in aws_ssoadmin_account_assignment.this : label => "${assignment.principal_type} ${assignment.principal_id} in ${assignment.target_type} ${assignment.target_id}" } == {
      "analyst/12345678-1234-1234-1234-123456789012" = "GROUP 12345678-1234-1234-1234-123456789012 in AWS_ACCOUNT 123456789012"
      "break-glass/On call"                          = "GROUP 90671234ab-12345678-1234-1234-1234-123456789012 in AWS_ACCOUNT 123456789012"
    }
    error_message = "Sets go to groups, in the one account; a name is looked up."
  }

  assert {
    condition     = output.role_patterns["analyst"] == "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_custody-test-analyst_*"
    error_message = "A pattern finds the role that Identity Center makes."
  }

  assert {
    condition     = length(data.aws_ssoadmin_instances.this) == 0
    error_message = "An instance that is given is not looked up: a plan needs no server for it."
  }
}

run "looks_up_the_instance_where_none_is_given" {
  variables {
    instance = null
  }

  assert {
    condition     = aws_ssoadmin_permission_set.this["analyst"].instance_arn == "arn:aws:sso:::instance/ssoins-1234567890abcdef" && data.aws_identitystore_group.this["On call"].identity_store_id == "d-1234567890"
    error_message = "There is one instance, and it is taken."
  }
}

# A run takes seconds: each of the following tests as many refusals as possible at once, one wrong value per variable.

run "refuses_what_is_not_there" {
  command = plan
  variables {
    account_id    = "<your-account-id>"
    boundary_name = "arn:aws:iam::123456789012:policy/custody-test-people-boundary"
    instance      = { arn = "ssoins-1234567890abcdef", identity_store_id = "d-1234567890" }
    prefix        = "custody"
  }
  expect_failures = [var.account_id, var.boundary_name, var.instance, var.prefix]
}

run "refuses_nobody_at_all" {
  command = plan
  variables {
    personas = {}
  }
  expect_failures = [var.personas]
}

run "refuses_a_set_that_nobody_has_and_another_store" {
  command = plan
  variables {
    instance = { arn = "arn:aws:sso:::instance/ssoins-1234567890abcdef", identity_store_id = "1234567890" }
    personas = {
      analyst = { description = "Asks", policies = { query = "{\"Statement\":[]}" }, session_hours = 8 }
    }
  }
  expect_failures = [var.instance, var.personas]
}

run "refuses_a_name_for_an_id" {
  command = plan
  variables {
    personas = {
      analyst = { description = "Asks", group_ids = ["analysts"], policies = { query = "{\"Statement\":[]}" }, session_hours = 8 }
    }
  }
  expect_failures = [var.personas]
}

run "refuses_a_policy_that_is_none" {
  command = plan
  variables {
    personas = {
      analyst = { description = "Asks", group_names = ["analysts"], policies = { query = "s3:GetObject" }, session_hours = 8 }
    }
  }
  expect_failures = [var.personas]
}

run "refuses_a_persona_that_may_do_nothing" {
  command = plan
  variables {
    personas = {
      analyst = { description = "Asks", group_names = ["analysts"], policies = {}, session_hours = 8 }
    }
  }
  expect_failures = [var.personas]
}

run "refuses_sessions_that_do_not_end" {
  command = plan
  variables {
    personas = {
      analyst = { description = "Asks", group_names = ["analysts"], policies = { query = "{\"Statement\":[]}" }, session_hours = 24 }
    }
  }
  expect_failures = [var.personas]
}

run "refuses_a_name_that_is_too_long" {
  command = plan
  variables {
    prefix = "custodyoftwentyletts-production"
  }
  expect_failures = [var.personas]
}

# custody-dev-* would also match the names of a deployment custody-dev-prod.
run "refuses_a_prefix_that_begins_as_anothers" {
  command = plan
  variables {
    prefix = "custody-dev-prod"
  }
  expect_failures = [var.prefix]
}
