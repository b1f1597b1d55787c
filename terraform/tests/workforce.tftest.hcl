# People of an account that has Identity Center.

mock_provider "aws" {
  source = "./tests/mocks"

  mock_data "aws_ssoadmin_instances" {
    defaults = {
      arns               = ["arn:aws:sso:::instance/ssoins-1234567890abcdef"]
      identity_store_ids = ["d-1234567890"]
    }
  }
}

variables {
  account_id   = "123456789012"
  environment  = "test"
  operators    = { deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
  region       = "eu-central-1"
  signing_key  = "a"
  signing_keys = { a = { valid_from = "2025-01-01T00:00:00Z" } }

  identity_center = {
    personas = {
      for persona in ["analyst", "auditor", "break-glass", "data-engineer", "producer", "security-admin"] :
      persona => { group_ids = ["12345678-1234-1234-1234-123456789012"] }
    }
  }
}

run "gives_personas_to_groups" {
  command = plan

  assert {
    condition     = length(module.people_role) == 0 && length(module.workforce) == 1
    error_message = "Identity Center makes the roles of people, or the kit does."
  }

  assert {
    condition     = module.workforce[0].role_patterns == local.persona_arns
    error_message = "Buckets, keys and queues name the very roles that Identity Center makes."
  }
}
