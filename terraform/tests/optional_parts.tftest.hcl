# Every part that is off by default, at once.

# Plans with every value known, for what would be known after an apply: an apply of the root takes several plans.
mock_provider "aws" {
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  account_id   = "123456789012"
  datasets     = ["examples/sensors"]
  environment  = "test"
  operators    = { data = ["arn:aws:iam::123456789012:role/custody-test-data"], deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
  people       = { for persona in ["analyst", "auditor", "break-glass", "data-engineer", "producer"] : persona => { principals = ["arn:aws:iam::123456789012:user/alice"] } }
  region       = "eu-central-1"
  signing_key  = "a"
  signing_keys = { a = { valid_from = "2025-01-01T00:00:00Z" } }
}

run "gives_each_optional_part_what_it_needs" {
  command = plan

  variables {
    lake_formation = {
      administrators = ["arn:aws:iam::123456789012:role/administrator"]
      tables         = { devices = { excluded_columns = ["owner"] } }
    }
    large_objects = { image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/custody-test-tasks@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
    network       = { azs = ["eu-central-1a", "eu-central-1b"], cidr = "10.20.0.0/16" }
    orchestrator  = { network = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1", "subnet-2"] } }
    snowflake = {
      account      = "MyOrg-account_123"
      external_id  = "custody-test"
      iam_user_arn = "arn:aws:iam::999999999999:user/snowflake"
      run_by       = ["arn:aws:iam::123456789012:role/custody-test-scheduler"]
    }
    verify_objects = { workers = 9 }
    warehouse = {
      account  = "loader"
      api_arn  = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1"
      endpoint = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/v1"
    }
  }

  # Lake Formation.
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

  # Objects that are too large for the recorder.
  assert {
    condition     = local.recorder_roles == ["recorder", "hasher"] && length(module.hasher) == 1
    error_message = "Recorder and task make receipts."
  }

  assert {
    condition = (
      contains(keys(module.network[0].endpoint_ids), "ecr.api") && contains(keys(module.network[0].endpoint_ids), "ecr.dkr")
      && contains(keys(output.queues), "hasher-dlq") && output.roles["hasher-start"] == "arn:aws:iam::123456789012:role/custody-test-hasher-start"
    )
    error_message = "The network reaches the images; queues and roles are in the outputs."
  }

  # Amazon MWAA, which runs the DAGs.
  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.orchestrator_work[0].statement : s.sid => sort(s.actions)
      }) == jsonencode({
      AskGateToStartJobs      = ["lambda:InvokeFunction"]
      ExamineTrails           = ["cloudtrail:GetEventSelectors", "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus"]
      LoadAsLoader            = ["sts:AssumeRole"]
      ReadManifestsAndLineage = ["s3:GetObject", "s3:GetObjectVersion"]
      TellOfRuns              = ["sns:Publish"]
      VerifyDigestsOfTheTrail = ["cloudtrail:ListPublicKeys"]
      WatchJobs               = ["glue:GetJobRuns"]
    })
    error_message = "The tasks ask, watch, read and tell; they write nothing."
  }

  assert {
    condition = alltrue([
      for short in ["airflow", "analytics", "athena-results", "cloudtrail-log", "processed", "provenance", "raw-data"] :
      contains(local.bucket_principals[short], "arn:aws:iam::123456789012:role/custody-test-orchestrator")
    ]) && !contains(local.bucket_principals["artifacts"], "arn:aws:iam::123456789012:role/custody-test-orchestrator")
    error_message = "The buckets that it reads let its role in."
  }

  assert {
    condition     = toset(keys(module.boundary)) == toset(["orchestrator", "people", "service"]) && output.buckets["airflow"] == "custody-test-airflow-123456789012"
    error_message = "It has a boundary of its own, and its bucket is in the outputs."
  }

  # Snowflake, into which gold tables are loaded.
  assert {
    condition = output.snowflake.name == "CUSTODY_TEST" && output.snowflake.stage_url == "s3://custody-test-analytics-123456789012/tables/" && (
    output.snowflake.integration_role_arn == "arn:aws:iam::123456789012:role/custody-test-snowflake")
    error_message = "custody warehouse setup prints these."
  }

  assert {
    condition     = output.monitoring_urls["snowflake"] == "https://myorg-account-123.snowflakecomputing.com"
    error_message = "In a host name, an underscore of the account is a hyphen."
  }

  assert {
    condition     = output.roles["loader"] == "arn:aws:iam::123456789012:role/custody-test-loader" && output.roles["snowflake"] == "arn:aws:iam::123456789012:role/custody-test-snowflake"
    error_message = "Each has a role of its own."
  }

  # A warehouse whose password is in Secrets Manager.
  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.rotator_secret[0].statement :
      s.sid => { actions = s.actions, resources = s.resources, stages = flatten([for c in s.condition : tolist(c.values)]) }
      }) == jsonencode({
      SeeVersions = {
        actions   = ["secretsmanager:DescribeSecret"]
        resources = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:custody-test-warehouse-??????"]
        stages    = []
      }
      ReadCurrentAndPendingVersion = {
        actions   = ["secretsmanager:GetSecretValue"]
        resources = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:custody-test-warehouse-??????"]
        stages    = ["AWSCURRENT", "AWSPENDING"]
      }
      MakeVersions = {
        actions   = ["secretsmanager:PutSecretValue"]
        resources = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:custody-test-warehouse-??????"]
        stages    = []
      }
      MakeVersionsCurrent = {
        actions   = ["secretsmanager:UpdateSecretVersionStage"]
        resources = ["arn:aws:secretsmanager:eu-central-1:123456789012:secret:custody-test-warehouse-??????"]
        stages    = ["AWSCURRENT"]
      }
    })
    error_message = "It rotates this secret, and reads its pending version."
  }

  assert {
    condition = toset(data.aws_iam_policy_document.rotator_account[0].statement[0].resources) == toset([
      "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1/POST/accounts/loader/sign-in",
      "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1/PUT/accounts/loader/password",
    ])
    error_message = "It sets and tries the password of this account."
  }

  assert {
    condition     = length(setsubtract(["execute-api", "secretsmanager"], keys(module.network[0].endpoint_ids))) == 0
    error_message = "In a network, it reaches the services it calls."
  }

  assert {
    condition     = output.roles["rotator"] == "arn:aws:iam::123456789012:role/custody-test-rotator"
    error_message = "It has a role of its own."
  }
}

# Without tables, and so without other jobs.
run "hashes_objects_again_with_a_role_of_its_own" {
  command = plan

  variables {
    datasets       = []
    verify_objects = { schedule = "cron(30 1 * * ? *)", workers = 9 }
  }

  assert {
    condition     = values(module.jobs[0].names) == ["custody-test-verify-objects-all"] && length(output.jobs) == 0
    error_message = "It is the only job, and none that the gate starts or custody doctor looks at."
  }

  assert {
    condition = (
      aws_glue_trigger.verify_objects[0].schedule == "cron(30 1 * * ? *)"
      && aws_glue_trigger.verify_objects[0].actions[0].job_name == "custody-test-verify-objects-all"
    )
    error_message = "Its schedule starts it."
  }

  assert {
    condition     = length(module.etl_role) == 0 && output.roles["verifier"] == "arn:aws:iam::123456789012:role/custody-test-verifier"
    error_message = "It has a role of its own."
  }

  assert {
    condition = alltrue([
      for s in data.aws_iam_policy_document.verifier_objects[0].statement :
      s.actions == toset(["s3:PutObject"]) ? s.resources == toset(["arn:aws:s3:::custody-test-artifacts-123456789012/verifications/*"]) : !contains(s.actions, "s3:PutObject")
    ])
    error_message = "It writes its reports and nothing else."
  }
}

run "refuses_a_schedule_that_is_none" {
  command = plan

  variables {
    verify_objects = { schedule = "rate(1 day)" }
  }

  expect_failures = [var.verify_objects]
}

run "loads_snowflake_with_a_task" {
  command = plan

  variables {
    snowflake = {
      account      = "myorg-account123"
      external_id  = "custody-test"
      iam_user_arn = "arn:aws:iam::999999999999:user/snowflake"
      task = {
        image   = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/custody-test-loader@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        network = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-2", "subnet-1"] }
      }
    }
  }

  assert {
    condition     = module.loader[0].alarms == { event-undelivered = "custody-test-loader-event-undelivered", undelivered = "custody-test-loader-undelivered" } && module.loader[0].queue_url == null
    error_message = "The end of a gold table's job starts it, and a schedule; it has no queue."
  }

  assert {
    condition     = output.loader_network == tomap({ security_group_ids = tolist(["sg-1"]), subnet_ids = tolist(["subnet-1", "subnet-2"]) })
    error_message = "It runs in the network that is given."
  }

  assert {
    condition     = [for short in ["loader", "loader-execution", "loader-start"] : output.roles[short]] == [for short in ["loader", "loader-execution", "loader-start"] : "arn:aws:iam::123456789012:role/custody-test-${short}"]
    error_message = "The task, what pulls its image, and what starts it have a role each."
  }
}

run "has_an_orchestrator_start_the_task_that_loads" {
  command = plan

  variables {
    orchestrator = { network = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1", "subnet-2"] } }
    snowflake = {
      account      = "myorg-account123"
      external_id  = "custody-test"
      iam_user_arn = "arn:aws:iam::999999999999:user/snowflake"
      task = {
        image   = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/custody-test-loader@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        network = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1"] }
      }
    }
  }

  assert {
    condition     = length(module.loader[0].alarms) == 0 && !contains(keys(output.roles), "loader-start")
    error_message = "Neither an event nor a schedule starts it: the DAG does, once the tables are verified."
  }

  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.orchestrator_work[0].statement :
      s.sid => { actions = s.actions, resources = s.resources, conditions = { for c in s.condition : c.variable => c.values } } if strcontains(s.sid, "Loader")
      }) == jsonencode({
      RunLoader = {
        actions    = ["ecs:RunTask"]
        resources  = ["arn:aws:ecs:eu-central-1:123456789012:task-definition/custody-test-loader:*"]
        conditions = { "ecs:cluster" = ["arn:aws:ecs:eu-central-1:123456789012:cluster/custody-test-loader"] }
      }
      AwaitLoader = {
        actions    = ["ecs:DescribeTasks"]
        resources  = ["arn:aws:ecs:eu-central-1:123456789012:task/custody-test-loader/*"]
        conditions = { "ecs:cluster" = ["arn:aws:ecs:eu-central-1:123456789012:cluster/custody-test-loader"] }
      }
      HandLoaderItsRoles = {
        actions    = ["iam:PassRole"]
        resources  = ["arn:aws:iam::123456789012:role/custody-test-loader", "arn:aws:iam::123456789012:role/custody-test-loader-execution"]
        conditions = { "iam:PassedToService" = ["ecs-tasks.amazonaws.com"] }
      }
    })
    error_message = "Airflow starts this task, waits for it, and does not become the loader."
  }
}

run "refuses_a_loader_of_two_kinds" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    snowflake = {
      account      = "myorg-a"
      external_id  = "custody-test"
      iam_user_arn = "arn:aws:iam::210987654321:user/s"
      run_by       = ["arn:aws:iam::123456789012:role/r"]
      task = {
        image   = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/custody-test-loader@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        network = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1"] }
      }
    }
  }
  expect_failures = [var.snowflake]
}

run "refuses_a_loader_of_an_image_by_its_tag" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    snowflake = {
      account      = "myorg-a"
      external_id  = "custody-test"
      iam_user_arn = "arn:aws:iam::210987654321:user/s"
      task = {
        image   = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/custody-test-loader:latest"
        network = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1"] }
      }
    }
  }
  expect_failures = [var.snowflake]
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

run "refuses_a_task_without_a_network" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    large_objects = { image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/custody-test-tasks@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
  }
  expect_failures = [var.large_objects]
}

run "refuses_an_image_of_another_account" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    large_objects = { image = "210987654321.dkr.ecr.eu-central-1.amazonaws.com/custody-test-tasks@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }
    network       = { azs = ["eu-central-1a", "eu-central-1b"], cidr = "10.20.0.0/16" }
  }
  expect_failures = [var.large_objects]
}

run "refuses_a_daily_run_of_nothing_and_a_role_without_its_boundary" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    datasets               = []
    orchestrator           = { network = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1", "subnet-2"] } }
    permissions_boundaries = { people = "arn:aws:iam::123456789012:policy/people", service = "arn:aws:iam::123456789012:policy/service" }
  }
  expect_failures = [var.orchestrator]
}

run "refuses_an_account_that_is_a_url" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    snowflake = { account = "https://a.snowflakecomputing.com", external_id = "custody-test", iam_user_arn = "arn:aws:iam::210987654321:user/s", run_by = ["arn:aws:iam::123456789012:role/r"] }
  }
  expect_failures = [var.snowflake]
}

run "refuses_that_nobody_may_store_the_key" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    operators = { deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
    snowflake = { account = "myorg-a", external_id = "custody-test", iam_user_arn = "arn:aws:iam::210987654321:user/s", run_by = ["arn:aws:iam::123456789012:role/r"] }
  }
  expect_failures = [var.snowflake]
}

run "refuses_an_account_with_a_slash" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    warehouse = { account = "a/b", api_arn = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1", endpoint = "https://a.example" }
  }
  expect_failures = [var.warehouse]
}

run "refuses_every_api" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    warehouse = { account = "loader", api_arn = "arn:aws:execute-api:eu-central-1:123456789012:*", endpoint = "https://a.example" }
  }
  expect_failures = [var.warehouse]
}

run "refuses_an_endpoint_without_tls" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    warehouse = { account = "loader", api_arn = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/v1", endpoint = "http://a.example" }
  }
  expect_failures = [var.warehouse]
}
