# The real provider: it renders policies without calling AWS, so that their size and content are as on AWS.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variables {
  account_id     = "123456789012"
  administrators = ["arn:aws:iam::123456789012:role/administrator"]
  environment    = "test"
  github         = { repository = "example/pipeline" }
  region         = "eu-central-1"
}

run "trusts_workflows_of_the_environment_alone" {
  command = plan

  assert {
    condition     = module.apply_role.arn == "arn:aws:iam::123456789012:role/custody-test-apply" && module.plan_role.arn == "arn:aws:iam::123456789012:role/custody-test-plan"
    error_message = "The roles are named after the deployment."
  }

  assert {
    condition     = output.github == { test = output.roles.apply, "test-plan" = output.roles.plan }
    error_message = "Each environment on GitHub has its own role."
  }

  assert {
    condition = [
      one(aws_iam_openid_connect_provider.github[*].url), one(one(aws_iam_openid_connect_provider.github[*].client_id_list))
    ] == ["https://token.actions.githubusercontent.com", "sts.amazonaws.com"]
    error_message = "GitHub's provider is made, for tokens meant for AWS."
  }
}

run "takes_the_provider_that_is_there" {
  command = plan
  variables {
    github = {
      provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
      repository   = "example/pipeline"
    }
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0
    error_message = "An account has one provider for GitHub: a second one would be refused."
  }
}

run "plans_by_reading_alone" {
  command = plan

  assert {
    condition = alltrue([
      for action in flatten([for policy in [aws_iam_policy.read, aws_iam_policy.more["read-parts"]] : [for s in jsondecode(policy.policy).Statement : s.Action]]) :
      can(regex("^[a-z0-9-]+:(Describe|Get|List)[A-Za-z]+$", action)) || action == "kms:Decrypt"
    ])
    error_message = "A plan reads, by actions named whole."
  }

  assert {
    condition = toset(flatten([
      for s in jsondecode(aws_iam_policy.read.policy).Statement : s.Resource if contains(flatten([s.Action]), "s3:GetObject")
      ])) == toset([
      "arn:aws:s3:::custody-test-artifacts-123456789012/*",
      "arn:aws:s3:::custody-test-provenance-123456789012/keys/registry.json",
    ])
    error_message = "Of objects a plan reads those that Terraform keeps."
  }

  assert {
    condition = alltrue([
      for s in jsondecode(aws_iam_policy.read.policy).Statement : can(s.Condition.StringEquals["kms:ViaService"])
      if contains(flatten([s.Action]), "kms:Decrypt")
    ])
    error_message = "A plan decrypts only through a service."
  }

  assert {
    condition = toset(flatten([
      for s in jsondecode(aws_iam_policy.read.policy).Statement : s.Sid if s.Resource == "*"
    ])) == toset(["ListWhatHasNoName"])
    error_message = "Named resources are read by their names."
  }
}

run "applies_within_the_kit_and_its_boundaries" {
  command = plan

  assert {
    condition = [
      for s in data.aws_iam_policy_document.change_roles.statement :
      { for c in s.condition : "${c.test} ${c.variable}" => toset(c.values) }
      if contains(s.actions, "iam:CreateRole") || contains(s.actions, "iam:PutRolePolicy")
      ] == [{
        "StringEquals iam:PermissionsBoundary" = toset([
          "arn:aws:iam::123456789012:policy/custody-test-orchestrator-boundary",
          "arn:aws:iam::123456789012:policy/custody-test-people-boundary",
          "arn:aws:iam::123456789012:policy/custody-test-service-boundary",
        ])
    }]
    error_message = "A role is made and strengthened under one of the kit's three boundaries, or not at all."
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.change_roles.statement : toset(one(s.condition).values) if contains(s.actions, "iam:PassRole")
      ] == [toset([
        "airflow-env.amazonaws.com", "airflow.amazonaws.com", "cloudtrail.amazonaws.com", "ecs-tasks.amazonaws.com", "events.amazonaws.com", "firehose.amazonaws.com",
        "glue.amazonaws.com", "lambda.amazonaws.com", "s3.amazonaws.com", "vpc-flow-logs.amazonaws.com",
    ])]
    error_message = "A role is handed to nine services, one of which has two names."
  }

  assert {
    condition     = alltrue([for s in data.aws_iam_policy_document.change_roles.statement : toset(s.resources) == toset(["arn:aws:iam::123456789012:role/custody-test-*"])])
    error_message = "Roles are those of the kit."
  }

  assert {
    condition = length(setintersection(
      flatten([
        for document in [
          data.aws_iam_policy_document.change_functions, data.aws_iam_policy_document.change_keys,
          data.aws_iam_policy_document.change_networks,
          data.aws_iam_policy_document.change_queries, data.aws_iam_policy_document.change_roles,
          data.aws_iam_policy_document.change_secrets, data.aws_iam_policy_document.change_storage,
          data.aws_iam_policy_document.change_streams,
          data.aws_iam_policy_document.change_watch,
        ] : [for s in document.statement : tolist(s.actions)]
      ]),
      [
        "cloudtrail:DeleteTrail", "cloudtrail:StopLogging", "iam:AttachRolePolicy", "iam:CreatePolicyVersion",
        "iam:DeleteRolePermissionsBoundary", "glue:StartJobRun", "kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:Sign",
        "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue", "s3:BypassGovernanceRetention", "sns:Unsubscribe",
      ],
    )) == 0
    error_message = "An apply neither ends the evidence nor makes itself stronger."
  }

  # The subnets of Airflow need not be the kit's: only the service that makes an environment acts there.
  assert {
    condition = {
      for s in data.aws_iam_policy_document.change_airflow.statement : s.sid => toset([for c in s.condition : "${c.test} ${c.variable} ${join(",", c.values)}"])
      } == {
      ChangeAirflow     = toset([])
      LetAirflowConnect = toset(["Bool aws:ViaAWSService true"])
      LetAirflowEncrypt = toset([
        "Bool kms:GrantIsForAWSResource true", "StringEquals aws:ResourceTag/environment test", "StringEquals aws:ResourceTag/managed_by terraform",
        "StringEquals aws:ResourceTag/project custody", "StringEquals kms:ViaService airflow.eu-central-1.amazonaws.com",
      ])
    }
    error_message = "An apply makes environments with the kit's names; networks and grants are the service's business."
  }

  # The kit's keys are identified by their tags. A foreign key must not be taken over by tagging it.
  assert {
    condition = toset([
      for s in data.aws_iam_policy_document.change_keys.statement :
      "${s.sid}: ${join(", ", sort([for c in s.condition : "${c.test} ${c.variable}"]))}"
      ]) == toset([
      "ChangeKeys: StringEquals aws:ResourceTag/environment, StringEquals aws:ResourceTag/managed_by, StringEquals aws:ResourceTag/project",
      "CreateKeys: StringEquals aws:RequestTag/environment, StringEquals aws:RequestTag/managed_by, StringEquals aws:RequestTag/project",
      "NameKeys: ",
      "TagNewKeys: Null aws:ResourceTag/environment, Null aws:ResourceTag/managed_by, Null aws:ResourceTag/project, Null kms:ResourceAliases, StringEquals aws:RequestTag/environment, StringEquals aws:RequestTag/managed_by, StringEquals aws:RequestTag/project",
    ])
    error_message = "Keys are changed by their tags, and tagged only while new."
  }

  # So are the resources of a network; and an endpoint connects to AWS only.
  assert {
    condition = {
      for s in data.aws_iam_policy_document.change_networks.statement :
      s.sid => join(", ", sort([for c in s.condition : "${c.test} ${c.variable}"]))
      } == {
      ChangeConnections    = ""
      ChangeNetworks       = "StringEquals aws:ResourceTag/environment, StringEquals aws:ResourceTag/managed_by, StringEquals aws:ResourceTag/project"
      MakeNetworks         = "StringEquals aws:RequestTag/environment, StringEquals aws:RequestTag/managed_by, StringEquals aws:RequestTag/project"
      MakePartsOfNetworks  = "StringEquals aws:RequestTag/environment, StringEquals aws:RequestTag/managed_by, StringEquals aws:RequestTag/project"
      MakeRulesAndFlowLogs = "StringEquals aws:RequestTag/environment, StringEquals aws:RequestTag/managed_by, StringEquals aws:RequestTag/project"
      MakeWaysToAws        = "StringEquals aws:RequestTag/environment, StringEquals aws:RequestTag/managed_by, StringEquals aws:RequestTag/project, StringEquals ec2:VpceServiceOwner"
      TagDefaultGroups     = "Null aws:ResourceTag/environment, Null aws:ResourceTag/managed_by, Null aws:ResourceTag/project, StringEquals aws:RequestTag/environment, StringEquals aws:RequestTag/managed_by, StringEquals aws:RequestTag/project"
      TagWhatIsMade        = "StringEquals ec2:CreateAction"
    }
    error_message = "Networks are made with the kit's tags and changed by them."
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.change_secrets.statement : s.resources if contains(s.actions, "lambda:InvokeFunction")
    ] == [toset(["arn:aws:lambda:eu-central-1:123456789012:function:custody-test-rotator"])]
    error_message = "Of functions, an apply calls the rotator, which makes a secret's first version."
  }

  assert {
    condition     = toset(flatten([for s in data.aws_iam_policy_document.write_state.statement : tolist(s.resources)])) == toset(["arn:aws:s3:::custody-test-state-123456789012/custody/test/terraform.tfstate"])
    error_message = "An apply writes only the root's state, not that of bootstrap."
  }
}

run "denies_what_is_an_administrators" {
  command = plan

  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_policy.more["limits"].policy).Statement : statement.Effect == "Deny"])
    error_message = "It allows nothing."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.more["limits"].policy).Statement : toset(statement.Action)
      if statement.Effect == "Deny" && statement.Sid == "NobodySignsOrHides" && statement.Resource == "*"
      ] == [toset([
        "cloudtrail:DeleteTrail",
        "cloudtrail:StopLogging",
        "iam:DeleteRolePermissionsBoundary",
        "kms:Sign",
        "lakeformation:GetDataAccess",
        "s3:UpdateObject*",
        "secretsmanager:*SecretValue",
    ])]
    error_message = "Nobody signs, reads by Lake Formation or out of a secret, re-encrypts, stops the trail or removes a boundary."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.more["limits"].policy).Statement : statement.Action
      if statement.Effect == "Deny" && statement.Sid == "NobodyDeletesEvidence"
    ])) == toset(["s3:*LegalHold", "s3:Bypass*", "s3:DeleteObject*", "s3:Replicate*"])
    error_message = "Nobody deletes evidence, lifts its lock or replicates over it."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.more["limits"].policy).Statement : toset(statement.Resource)
      if statement.Sid == "BootstrapStays" && statement.Effect == "Deny" && flatten([statement.Action]) == ["s3:Put*", "s3:Delete*"]
      ] == [toset([
        "arn:aws:s3:::custody-test-state-123456789012",
        "arn:aws:s3:::custody-test-state-123456789012/*/bootstrap.tfstate*",
        "arn:aws:s3:::custody-test-state-logs-123456789012*",
    ])]
    error_message = "The state bucket's configuration and the state of bootstrap are an administrator's."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.more["limits"].policy).Statement : statement.Condition
      if statement.Effect == "Deny" && contains(flatten([statement.Action]), "kms:PutKeyPolicy")
    ] == [{ StringEquals = { "aws:ResourceTag/managed_by" = "bootstrap" } }]
    error_message = "The key of the state is an administrator's."
  }
}

# IAM's limits are 6144 characters for a managed policy and 10240 for a role's inline policies: both are checked at plan.
run "fits_the_longest_names" {
  command = plan
  variables {
    environment = "production"
    name        = "custodyoftwentyletts"
    region      = "ap-southeast-1"
  }

  assert {
    condition     = alltrue([for policy in concat([aws_iam_policy.read], values(aws_iam_policy.more)) : length(policy.policy) <= 6144])
    error_message = "The workflows' permissions fit into managed policies."
  }

  # The policy that reads the state names its key, whose length a plan does not know: the rest must leave room for it.
  assert {
    condition = sum([
      for document in [
        data.aws_iam_policy_document.change_functions, data.aws_iam_policy_document.change_keys,
        data.aws_iam_policy_document.change_queries, data.aws_iam_policy_document.change_roles,
        data.aws_iam_policy_document.change_storage, data.aws_iam_policy_document.write_state,
      ] : length(replace(document.json, "/\\s/", ""))
    ]) + 900 <= 10240
    error_message = "The apply role's inline policies fit into IAM's limit."
  }
}

# Refusals are tested on the variables alone (`inputs` links to them): as many as possible at once, one wrong value per
# variable.

run "refuses_what_is_not_there" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    account_id     = "<your-account-id>"
    administrators = []
    name           = "c"
    region         = "<your-region>"
    retention      = { key_window_days = 1 }
    tags           = { managed_by = "me" }
  }
  expect_failures = [
    var.account_id, var.administrators, var.name, var.region, var.retention, var.tags,
  ]
}

run "refuses_everybody" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    administrators = ["arn:aws:iam::123456789012:root"]
    github         = { repository = "example/*" }
    retention      = { state_days = 7 }
  }
  expect_failures = [var.administrators, var.github, var.retention]
}

run "refuses_the_provider_of_another_account" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    github = {
      provider_arn = "arn:aws:iam::210987654321:oidc-provider/token.actions.githubusercontent.com"
      repository   = "example/pipeline"
    }
  }
  expect_failures = [var.github]
}

run "refuses_an_environment_that_makes_no_name_and_a_name_that_begins_as_anothers" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    environment = "Prod"
    name        = "custody-dev"
    tags        = { Environment = "Production" }
  }
  expect_failures = [var.environment, var.name, var.tags]
}

run "refuses_tags_that_iam_takes_for_one" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    tags = { CostCenter = "1", costcenter = "2" }
  }
  expect_failures = [var.tags]
}

run "refuses_keys_of_tags_with_what_iam_does_not_take" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    tags = { "cost;center" = "1" }
  }
  expect_failures = [var.tags]
}

run "refuses_keys_of_tags_that_are_too_long" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    tags = { (join("", [for i in range(129) : "k"])) = "1" }
  }
  expect_failures = [var.tags]
}

run "refuses_values_of_tags_with_what_iam_does_not_take" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    tags = { owner = "R&D" }
  }
  expect_failures = [var.tags]
}

run "refuses_more_tags_than_an_object_takes" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    tags = { for i in range(8) : "tag${i}" => "" }
  }
  expect_failures = [var.tags]
}
