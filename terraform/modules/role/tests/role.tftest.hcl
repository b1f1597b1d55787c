mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id   = "123456789012"
  boundary_arn = "arn:aws:iam::123456789012:policy/custody-test-service-boundary"
  description  = "Does what a test needs"
  name         = "custody-test-recorder"
  policies     = { write-log = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  trust = {
    service = {
      name        = "lambda.amazonaws.com"
      source_arns = ["arn:aws:lambda:eu-central-1:123456789012:function:custody-test-recorder"]
    }
  }
}

run "trusts_the_service_for_its_resource_alone" {
  assert {
    condition = [
      for s in data.aws_iam_policy_document.trust.statement : {
        sid        = s.sid
        actions    = tolist(s.actions)
        identities = flatten([for p in s.principals : tolist(p.identifiers)])
        conditions = { for c in s.condition : c.variable => { test = c.test, values = c.values } }
      }
      ] == [{
        sid        = "ServiceActsForItsResource"
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
    condition     = aws_iam_role.this.permissions_boundary == var.boundary_arn && aws_iam_role.this.max_session_duration == 3600
    error_message = "The role has its boundary, and sessions of an hour."
  }

  assert {
    condition     = aws_iam_role_policies_exclusive.this.policy_names == toset(["write-log"])
    error_message = "The role has only the inline policies of the input."
  }

  assert {
    condition     = length(aws_iam_role_policy_attachments_exclusive.this.policy_arns) == 0
    error_message = "No managed policy is attached."
  }
}

run "keeps_the_managed_policies_it_is_given_and_no_others" {
  command = plan
  variables {
    managed_policy_arns = { read = "arn:aws:iam::123456789012:policy/custody-test-ci-read" }
  }

  assert {
    condition     = aws_iam_role_policy_attachments_exclusive.this.policy_arns == toset(values(var.managed_policy_arns))
    error_message = "The role has only the managed policies of the input."
  }
}

run "trusts_both_names_of_a_service_for_its_resource" {
  command = plan
  variables {
    trust = { service = { also = "airflow-env.amazonaws.com", name = "airflow.amazonaws.com", source_arns = ["arn:aws:airflow:eu-central-1:123456789012:environment/custody-test-airflow"] } }
  }

  assert {
    condition = jsonencode([for s in data.aws_iam_policy_document.trust.statement : {
      principals = sort(one(s.principals).identifiers)
      conditions = { for c in s.condition : "${c.test} ${c.variable}" => c.values }
      }]) == jsonencode([{
      principals = ["airflow-env.amazonaws.com", "airflow.amazonaws.com"]
      conditions = {
        "ArnEquals aws:SourceArn"        = ["arn:aws:airflow:eu-central-1:123456789012:environment/custody-test-airflow"]
        "StringEquals aws:SourceAccount" = ["123456789012"]
      }
    }])
    error_message = "Both names of the service may assume the role, for the one environment."
  }
}

run "trusts_resources_whose_names_begin_so" {
  command = plan
  variables {
    trust = {
      service = {
        match       = "like"
        name        = "glue.amazonaws.com"
        source_arns = ["arn:aws:glue:eu-central-1:123456789012:job/custody-test-*"]
      }
    }
  }

  assert {
    condition = toset([
      for c in data.aws_iam_policy_document.trust.statement[0].condition : "${c.test} ${c.variable} ${join(" ", c.values)}"
      ]) == toset([
      "StringEquals aws:SourceAccount 123456789012",
      "ArnLike aws:SourceArn arn:aws:glue:eu-central-1:123456789012:job/custody-test-*",
    ])
    error_message = "Only jobs of this deployment may use the role."
  }
}

run "trusts_lake_formation_of_the_account" {
  command = plan
  variables {
    trust = {
      service = {
        match       = "like"
        name        = "lakeformation.amazonaws.com"
        source_arns = ["arn:aws:lakeformation:eu-central-1:123456789012:*"]
      }
    }
  }

  assert {
    condition = toset([
      for c in data.aws_iam_policy_document.trust.statement[0].condition : "${c.test} ${c.variable} ${join(" ", c.values)}"
      ]) == toset([
      "StringEquals aws:SourceAccount 123456789012",
      "ArnLike aws:SourceArn arn:aws:lakeformation:eu-central-1:123456789012:*",
    ])
    error_message = "Lake Formation names itself, and nothing it acts for."
  }
}

run "trusts_people_who_signed_in_with_mfa" {
  command = plan
  variables {
    session_hours = 8
    trust = {
      people = { mfa_max_age_seconds = 3600, principals = ["arn:aws:iam::123456789012:user/alice"] }
    }
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.trust.statement : {
        sid        = s.sid
        actions    = tolist(s.actions)
        identities = tolist([for p in s.principals : "${p.type} ${join(" ", p.identifiers)}"])
        conditions = toset([for c in s.condition : "${c.test} ${c.variable} ${join(" ", c.values)}"])
      }
      ] == [{
        sid        = "PeopleSignedInWithMfa"
        actions    = tolist(["sts:AssumeRole"])
        identities = tolist(["AWS arn:aws:iam::123456789012:user/alice"])
        conditions = toset(["Bool aws:MultiFactorAuthPresent true", "NumericLessThan aws:MultiFactorAuthAge 3600", "StringEquals sts:RoleSessionName &{aws:username}"])
    }]
    error_message = "The trust policy names the users, and requires recent MFA and the user name as session name."
  }

  assert {
    condition     = aws_iam_role.this.max_session_duration == 28800
    error_message = "A session lasts as long as the input says."
  }
}

run "trusts_workflows_of_an_environment" {
  command = plan
  variables {
    trust = {
      github = {
        environments = ["prod"]
        provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        repository   = "example/pipeline"
      }
    }
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.trust.statement : {
        sid        = s.sid
        actions    = tolist(s.actions)
        identities = tolist([for p in s.principals : "${p.type} ${join(" ", p.identifiers)}"])
        conditions = toset([for c in s.condition : "${c.test} ${c.variable} ${join(" ", c.values)}"])
      }
      ] == [{
        sid        = "WorkflowsOfTheEnvironment"
        actions    = tolist(["sts:AssumeRoleWithWebIdentity"])
        identities = tolist(["Federated arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"])
        conditions = toset([
          "StringEquals token.actions.githubusercontent.com:aud sts.amazonaws.com",
          "StringEquals token.actions.githubusercontent.com:sub repo:example/pipeline:environment:prod",
        ])
    }]
    error_message = "The trust names audience, repository and environment, each exactly."
  }
}

# A run takes seconds: each of the following tests as many refusals as possible at once, one wrong value per variable.

run "refuses_what_is_not_there" {
  command = plan
  variables {
    managed_policy_arns = { read = "arn:aws:iam::aws:policy/ReadOnlyAccess" }
    account_id          = "1234"
    boundary_arn        = "arn:aws:iam::aws:policy/AdministratorAccess"
    description         = ""
    name                = "custody test"
    policies            = { write-log = "logs:PutLogEvents" }
    session_hours       = 24
    trust               = {}
  }
  expect_failures = [
    var.account_id, var.boundary_arn, var.description, var.managed_policy_arns, var.name, var.policies,
    var.session_hours, var.trust,
  ]
}

run "refuses_a_role_that_does_nothing_for_everything" {
  command = plan
  variables {
    policies = {}
    trust    = { service = { name = "lambda.amazonaws.com", source_arns = [] } }
  }
  expect_failures = [var.policies, var.trust]
}

run "refuses_more_than_iam_takes_and_what_is_no_service" {
  command = plan
  variables {
    policies = { write-log = jsonencode({ Statement = [for i in range(1024) : "ten letters"] }) }
    trust    = { service = { name = "arn:aws:iam::123456789012:user/alice", source_arns = ["arn:aws:s3:::bucket"] } }
  }
  expect_failures = [var.policies, var.trust]
}

run "refuses_any_function" {
  command = plan
  variables {
    trust = {
      service = {
        name        = "lambda.amazonaws.com"
        source_arns = ["arn:aws:lambda:eu-central-1:123456789012:function:*"]
      }
    }
  }
  expect_failures = [var.trust]
}

run "refuses_any_job" {
  command = plan
  variables {
    trust = {
      service = {
        match       = "like"
        name        = "glue.amazonaws.com"
        source_arns = ["arn:aws:glue:eu-central-1:123456789012:job/*"]
      }
    }
  }
  expect_failures = [var.trust]
}

run "refuses_another_way_to_match" {
  command = plan
  variables {
    trust = {
      service = { match = "any", name = "glue.amazonaws.com", source_arns = ["arn:aws:glue:eu-central-1:123456789012:job/x"] }
    }
  }
  expect_failures = [var.trust]
}

run "refuses_two_kinds_of_principals" {
  command = plan
  variables {
    trust = {
      people  = { mfa_max_age_seconds = 3600, principals = ["arn:aws:iam::123456789012:user/alice"] }
      service = { name = "lambda.amazonaws.com", source_arns = ["arn:aws:lambda:eu-central-1:123456789012:function:f"] }
    }
  }
  expect_failures = [var.trust]
}

run "refuses_the_whole_account" {
  command = plan
  variables {
    trust = { people = { mfa_max_age_seconds = 3600, principals = ["arn:aws:iam::123456789012:root"] } }
  }
  expect_failures = [var.trust]
}

run "refuses_a_role_for_a_person" {
  command = plan
  variables {
    trust = { people = { mfa_max_age_seconds = 3600, principals = ["arn:aws:iam::123456789012:role/admin"] } }
  }
  expect_failures = [var.trust]
}

run "refuses_everybody_of_a_kind" {
  command = plan
  variables {
    trust = { people = { mfa_max_age_seconds = 3600, principals = ["arn:aws:iam::123456789012:user/*"] } }
  }
  expect_failures = [var.trust]
}

run "refuses_mfa_of_yesterday" {
  command = plan
  variables {
    trust = { people = { mfa_max_age_seconds = 86400, principals = ["arn:aws:iam::123456789012:user/alice"] } }
  }
  expect_failures = [var.trust]
}

run "refuses_another_identity_provider" {
  command = plan
  variables {
    trust = {
      github = {
        environments = ["prod"]
        provider_arn = "arn:aws:iam::123456789012:oidc-provider/tokens.example.org"
        repository   = "example/pipeline"
      }
    }
  }
  expect_failures = [var.trust]
}

run "refuses_every_repository" {
  command = plan
  variables {
    trust = {
      github = {
        environments = ["prod"]
        provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        repository   = "example/*"
      }
    }
  }
  expect_failures = [var.trust]
}

run "refuses_every_environment" {
  command = plan
  variables {
    trust = {
      github = {
        environments = ["*"]
        provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
        repository   = "example/pipeline"
      }
    }
  }
  expect_failures = [var.trust]
}

run "trusts_a_third_party_that_names_the_external_id" {
  variables {
    trust = { others = { external_id = "custody-test", principals = ["arn:aws:iam::210987654321:user/theirs"] } }
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.trust.statement : {
        sid        = s.sid
        identities = flatten([for p in s.principals : tolist(p.identifiers)])
        conditions = { for c in s.condition : "${c.test} ${c.variable}" => tolist(c.values) }
      }
      ] == [{
        sid        = "OthersAssume"
        identities = ["arn:aws:iam::210987654321:user/theirs"]
        conditions = { "StringEquals sts:ExternalId" = tolist(["custody-test"]) }
    }]
    error_message = "The trust names the third party and the external ID."
  }
}

run "refuses_a_third_party_with_an_external_id_that_is_guessed" {
  command = plan
  variables {
    trust = { others = { external_id = "0000", principals = ["arn:aws:iam::210987654321:user/theirs"] } }
  }
  expect_failures = [var.trust]
}

run "trusts_replication_for_its_buckets_if_it_names_one" {
  variables {
    trust = {
      service = {
        match       = "if-sent"
        name        = "s3.amazonaws.com"
        source_arns = ["arn:aws:s3:::custody-test-provenance-123456789012"]
      }
    }
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.trust.statement : { for c in s.condition : c.variable => { test = c.test, values = tolist(c.values) } }
      ] == [{
        "aws:SourceAccount" = { test = "StringEqualsIfExists", values = tolist(["123456789012"]) }
        "aws:SourceArn"     = { test = "ArnEqualsIfExists", values = tolist(["arn:aws:s3:::custody-test-provenance-123456789012"]) }
    }]
    error_message = "What Amazon S3 says of the bucket must be right; it need not say it."
  }
}

run "refuses_another_service_that_does_not_say_whom_it_acts_for" {
  command = plan

  variables {
    trust = {
      service = {
        match       = "if-sent"
        name        = "lambda.amazonaws.com"
        source_arns = ["arn:aws:lambda:eu-central-1:123456789012:function:custody-test-recorder"]
      }
    }
  }

  expect_failures = [var.trust]
}
