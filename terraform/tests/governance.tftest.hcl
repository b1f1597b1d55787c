# Tables under Lake Formation.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  account_id   = "123456789012"
  datasets     = ["examples/sensors"]
  environment  = "test"
  operators    = { deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
  people       = { for persona in ["analyst", "auditor", "break-glass", "data-engineer", "producer"] : persona => { principals = ["arn:aws:iam::123456789012:user/alice"] } }
  region       = "eu-central-1"
  signing_key  = "a"
  signing_keys = { a = { valid_from = "2025-01-01T00:00:00Z" } }

  lake_formation = {
    administrators = ["arn:aws:iam::123456789012:role/administrator"]
    tables         = { devices = { excluded_columns = ["owner"] } }
  }
  orchestrator = { network = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1", "subnet-2"] } }
}

run "grants_to_the_roles_of_the_kit" {
  command = plan

  assert {
    condition     = local.governed_people == tomap({ for persona in keys(var.people) : persona => "arn:aws:iam::123456789012:role/custody-test-people-${persona}" })
    error_message = "People are granted by the roles that are made for them."
  }

  assert {
    condition     = toset(keys(local.governed_readers)) == toset(["auditor", "orchestrator", "people-auditor", "people-data-engineer"])
    error_message = "Whoever reads the ledger has a grant: the tasks of Airflow, too."
  }

  assert {
    condition     = contains(local.bucket_principals["analytics"], output.roles["lake-formation"])
    error_message = "Gold is read by Lake Formation's role."
  }

  assert {
    condition = !anytrue([
      for s in data.aws_iam_policy_document.people_analyst.statement : contains(s.actions, "s3:GetObject")
    ])
    error_message = "An analyst reads no object himself: he would see all of it."
  }

  assert {
    condition     = data.aws_iam_policy_document.query.source_policy_documents == tolist([module.governance[0].reader_policy])
    error_message = "Readers of tables may get credentials from Lake Formation."
  }
}

run "grants_to_the_roles_of_identity_center" {
  command = plan
  variables {
    people = {}
    identity_center = {
      instance = { arn = "arn:aws:sso:::instance/ssoins-1234567890abcdef", identity_store_id = "d-1234567890" }
      personas = { for persona in ["analyst", "break-glass"] : persona => { group_ids = ["12345678-1234-1234-1234-123456789012"] } }
    }
    lake_formation = {
      administrators = ["arn:aws:iam::123456789012:role/administrator"]
      people         = { analyst = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_custody-test-analyst_0123456789abcdef" }
    }
  }

  assert {
    condition     = local.governed_people == var.lake_formation.people
    error_message = "Roles that Identity Center created are given by the input."
  }
}

run "refuses_patterns_and_roles_without_identity_center" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    lake_formation = {
      administrators = ["arn:aws:iam::123456789012:role/admin*"]
      people         = { analyst = "arn:aws:iam::123456789012:role/analyst" }
    }
  }
  expect_failures = [var.lake_formation]
}

run "refuses_an_account_without_administrators" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    lake_formation = { administrators = [] }
  }
  expect_failures = [var.lake_formation]
}

run "refuses_people_it_makes_itself" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    lake_formation = {
      administrators = ["arn:aws:iam::123456789012:role/administrator"]
      people         = { analyst = "arn:aws:iam::123456789012:role/analyst" }
    }
  }
  expect_failures = [var.lake_formation]
}
