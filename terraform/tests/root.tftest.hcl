mock_provider "aws" {
  source = "./tests/mocks"
}

# Plans with every value known, for what would be known after an apply: an apply of the root takes several plans.
mock_provider "aws" {
  alias           = "known"
  override_during = plan
  source          = "./tests/mocks"
}

variables {
  account_id  = "123456789012"
  datasets    = ["examples/sensors"]
  environment = "test"
  operators   = { deploy = ["arn:aws:iam::123456789012:role/custody-test-apply"] }
  region      = "eu-central-1"
  signing_key = "b"
  signing_keys = {
    a = { valid_from = "2025-01-01T00:00:00Z", valid_until = "2026-01-01T00:00:00Z" }
    b = { valid_from = "2026-01-01T00:00:00Z" }
  }
}

run "names_everything_from_the_inputs_and_makes_no_optional_part_unless_told" {
  command = plan

  assert {
    condition     = output.buckets["raw-data"] == "custody-test-raw-data-123456789012" && length(output.buckets) == 8
    error_message = "Buckets are named <name>-<environment>-<short>-<account>."
  }

  assert {
    condition = output.recorded_prefixes == {
      "custody-test-analytics-123456789012" = tolist([""])
      "custody-test-processed-123456789012" = tolist([""])
      "custody-test-raw-data-123456789012"  = tolist(["incoming/"])
    }
    error_message = "The output has recorded prefixes by bucket name."
  }

  assert {
    condition     = output.roles["recorder"] == "arn:aws:iam::123456789012:role/custody-test-recorder"
    error_message = "Roles are named <name>-<environment>-<short>."
  }

  assert {
    condition     = output.database == "custody_test" && output.workgroup == "custody-test"
    error_message = "Database and workgroup are named after the deployment."
  }

  assert {
    condition     = output.monitoring_urls["dashboard"] == "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#dashboards/dashboard/custody-test-health"
    error_message = "The pages of the console are those of the deployment's Region."
  }

  assert {
    condition     = output.streams == { readings = "custody-test-readings" }
    error_message = "Streams are named <name>-<environment>-<short>."
  }

  assert {
    condition     = output.trail_arn == "arn:aws:cloudtrail:eu-central-1:123456789012:trail/custody-test"
    error_message = "The trail is named after the deployment."
  }

  assert {
    condition = output.jobs == tomap({
      processed-to-analytics-daily-readings = "custody-test-processed-to-analytics-daily-readings"
      processed-to-analytics-site-days      = "custody-test-processed-to-analytics-site-days"
      raw-to-processed-devices              = "custody-test-raw-to-processed-devices"
      raw-to-processed-readings             = "custody-test-raw-to-processed-readings"
      raw-to-processed-sites                = "custody-test-raw-to-processed-sites"
    })
    error_message = "There is a job for each table."
  }

  assert {
    condition = jsonencode(output.tables) == jsonencode({
      daily_readings = ["readings"]
      devices        = []
      readings       = []
      site_days      = ["readings", "devices", "sites"]
      sites          = []
    })
    error_message = "Each table is told with what it is made from."
  }

  assert {
    condition     = local.silver_tables["readings"] == "incoming/stream/readings/" && local.streamed_tables == ["readings"]
    error_message = "A table's contract says what it is read from."
  }

  # By full names, so that no deployment with the same name prefix can be accessed.
  assert {
    condition = alltrue([
      for document in [data.aws_iam_policy_document.people_data_engineer, data.aws_iam_policy_document.people_auditor_stages, data.aws_iam_policy_document.gate_jobs] :
      [for s in document.statement : toset(s.resources) if contains(s.actions, "glue:GetJobRuns")] == [toset([
        for short in keys(output.jobs) :
        "arn:aws:glue:eu-central-1:123456789012:job/custody-test-${short}"
      ])]
    ])
    error_message = "Who watches or starts jobs does so with those that there are."
  }

  assert {
    condition     = length(module.network) == 0 && local.function_vpc == null && !contains(keys(output.roles), "flow-logs")
    error_message = "Without network there is none, and no role for it."
  }

  assert {
    condition     = alltrue([for policies in local.function_network_policies : length(policies) == 0])
    error_message = "No role may make network interfaces then."
  }

  assert {
    condition     = length(aws_glue_connection.jobs) == 0 && length(data.aws_iam_policy_document.job_network) == 0
    error_message = "Nor do jobs run in one."
  }

  assert {
    condition     = length(module.warehouse_secret) == 0 && !contains(keys(output.roles), "rotator")
    error_message = "Without a warehouse there is no secret and no rotator."
  }

  assert {
    condition     = length(module.governance) == 0 && length(module.lake_formation_role) == 0 && !contains(keys(output.roles), "lake-formation")
    error_message = "Without Lake Formation there is nothing of it."
  }

  assert {
    condition     = anytrue([for s in data.aws_iam_policy_document.people_analyst.statement : contains(s.actions, "s3:GetObject")])
    error_message = "Without Lake Formation an analyst reads gold through Athena."
  }

  assert {
    condition     = length(module.hasher) == 0 && length(module.hasher_role) == 0 && !contains(keys(output.roles), "hasher") && !contains(keys(output.queues), "hasher")
    error_message = "Without large objects there is no task."
  }

  assert {
    condition     = length(module.orchestrator) == 0 && length(module.orchestrator_bucket) == 0 && length(module.orchestrator_key) == 0 && !contains(keys(output.buckets), "airflow") && !contains(keys(output.roles), "orchestrator") && !contains(keys(module.boundary), "orchestrator")
    error_message = "Without an orchestrator there is neither Airflow nor its bucket, key, role and boundary."
  }

  assert {
    condition     = length(module.warehouse) == 0 && length(output.snowflake) == 0 && !contains(keys(output.roles), "loader") && !contains(keys(output.monitoring_urls), "snowflake")
    error_message = "Without Snowflake there are no roles and no secret for it."
  }
}

run "refuses_tables_of_what_is_not_recorded" {
  command = plan

  variables {
    recorded_prefixes = { analytics = [""], processed = ["tables/"], "raw-data" = ["letters/"] }
  }

  expect_failures = [output.recorded_prefixes]
}

run "takes_what_is_given" {
  command = plan

  variables {
    adopted_buckets = {
      archive = { bucket = "archive", prefixes = ["letters/", "minutes/"], since = "2026-01-15T09:30:00Z", key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234" }
      open    = { bucket = "open.example", prefixes = [""], since = "2026-01-15T09:30:00Z", account_id = "123456789012" }
    }
    evidence_copy        = { bucket = "copy", key_arn = "arn:aws:kms:us-west-2:210987654321:key/1234" }
    management_trail_arn = "arn:aws:cloudtrail:us-east-1:210987654321:trail/organization"
    people               = { auditor = { principals = ["arn:aws:iam::123456789012:user/alice"], session_hours = 8 } }
    permissions_boundaries = {
      people  = "arn:aws:iam::123456789012:policy/custody-test-people-boundary"
      service = "arn:aws:iam::123456789012:policy/custody-test-service-boundary"
    }
    recorded_prefixes = {
      analytics  = ["tables/"]
      processed  = ["decisions/", "tables/"]
      "raw-data" = ["incoming/", "reference/"]
    }
    trail_regions = ["eu-west-1"]
    witnesses = {
      ours = { key = "witness.example/ours+5f0c9a11+BN3qhVmjgHFjAXWkXYUrG1QNQ5dC7wD0FVFkWsCGgbUW", url = "https://witness.example:8443/ours" }
    }
  }

  assert {
    condition = output.recorded_prefixes == {
      "archive"                             = tolist(["letters/", "minutes/"])
      "custody-test-analytics-123456789012" = tolist(["tables/"])
      "custody-test-processed-123456789012" = tolist(["decisions/", "tables/"])
      "custody-test-raw-data-123456789012"  = tolist(["incoming/", "reference/"])
      "open.example"                        = tolist([""])
    }
    error_message = "What is named is recorded, of an adopted bucket too."
  }

  assert {
    condition     = output.adopted_since == { archive = "2026-01-15T09:30:00Z", "open.example" = "2026-01-15T09:30:00Z" } && output.buckets == local.bucket_names
    error_message = "The output says since when; the buckets of the deployment are its own."
  }

  assert {
    condition = { for short, rule in aws_cloudwatch_event_rule.adopted : rule.name => jsondecode(rule.event_pattern).detail } == {
      custody-test-adopted-archive = { bucket = { name = ["archive"] }, object = { key = [{ prefix = "letters/" }, { prefix = "minutes/" }] } }
      custody-test-adopted-open    = { bucket = { name = ["open.example"] } }
    }
    error_message = "A rule tells of new objects below the prefixes."
  }

  assert {
    condition     = alltrue([for target in aws_cloudwatch_event_target.adopted : target.arn == local.queue_arns["recorder"]]) && length(aws_cloudwatch_event_target.adopted) == 2
    error_message = "It tells the recorder's queue."
  }

  assert {
    condition     = alltrue([for name in ["auditor", "break-glass"] : contains(keys(local.people_policies[name]), "read-adopted")]) && contains(keys(local.adopted_policies), "read-adopted")
    error_message = "The recorder reads them, and who verifies and repairs; each has a policy for it."
  }

  assert {
    condition     = output.adopted_bucket_statements["open"].key_policy == null && output.adopted_bucket_statements["archive"].key_policy != null
    error_message = "A bucket without a key needs no statement for one."
  }

  assert {
    condition     = { for short, rule in local.replication : short => rule.prefix } == { artifacts = "deployments/custody-test.json", cloudtrail-log = "", provenance = "" }
    error_message = "Copied are the evidence and the file by which it is found, not the code beside that."
  }

  assert {
    condition     = output.evidence_copy == tomap({ bucket = "copy", region = "us-west-2" }) && contains(keys(local.people_policies["auditor"]), "read-copy")
    error_message = "The output says where the copy is, and auditors read it."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.evidence_copy) == 3 && alltrue([for alarm in aws_cloudwatch_metric_alarm.evidence_copy : contains(local.metric_alarms, alarm.alarm_name)])
    error_message = "Each bucket's failures to replicate raise an alarm, which the dashboard shows."
  }

  assert {
    condition     = [for short in keys(output.roles) : short if startswith(short, "people-")] == ["people-auditor"]
    error_message = "A persona has a role if somebody may assume it."
  }

  assert {
    condition = (
      contains(local.bucket_principals["provenance"], "arn:aws:iam::123456789012:role/custody-test-people-auditor")
      && !contains(local.bucket_principals["provenance"], "arn:aws:iam::123456789012:role/custody-test-people-break-glass")
    )
    error_message = "A bucket names the personas that have a role."
  }

  assert {
    condition     = toset(keys(local.people_policies)) == local.personas && toset(keys(local.people_descriptions)) == local.personas
    error_message = "Every persona has its policies."
  }

  assert {
    condition     = length(module.boundary) == 0 && local.boundary_arns == { for purpose, arn in var.permissions_boundaries : purpose => arn if arn != null }
    error_message = "Boundaries that are there are not made again."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.witnesses[0].metric_name == "FailedWitnesses"
    error_message = "There is an alarm for witnesses that fail."
  }

  assert {
    condition     = output.witnesses["ours"] == var.witnesses["ours"].key
    error_message = "The keys of witnesses are an output, for custody doctor."
  }

  assert {
    condition     = output.management_trail_arn == "arn:aws:cloudtrail:us-east-1:210987654321:trail/organization"
    error_message = "The output tells custody doctor which trail to check."
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.people_auditor_stages.statement : toset(s.resources) if contains(s.actions, "cloudtrail:GetEventSelectors")
      ] == [toset([
        "arn:aws:cloudtrail:eu-central-1:123456789012:trail/custody-test",
        "arn:aws:cloudtrail:us-east-1:210987654321:trail/organization",
    ])]
    error_message = "Auditors may look up both."
  }

  assert {
    condition     = local.trail_since == "2025-01-01"
    error_message = "The tables read the trail from the day on which the first key signed."
  }

  assert {
    condition     = local.trail_regions == toset(["eu-central-1", "eu-west-1", "us-east-1"])
    error_message = "The tables read the region itself, that of the global services, and those named."
  }
}

run "registers_every_key_the_retired_one_too" {
  command   = plan
  providers = { aws = aws.known }

  variables {
    log_succession = {
      end         = { at = "2026-12-01T00:00:00Z" }
      predecessor = { origin = "logs.example/log", root = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", size = 7 }
    }
  }

  assert {
    condition     = jsondecode(local.key_registry).log.end.at == var.log_succession.end.at && jsondecode(local.key_registry).log.predecessor.size == 7
    error_message = "What is declared of the log is in the registry."
  }

  assert {
    condition = [
      for key in jsondecode(local.key_registry).keys : [key.algorithm, key.valid_from, key.valid_until, key.revoked_at]
      ] == [
      ["ecdsa-sha2-nistp256", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z", null],
      ["ecdsa-sha2-nistp256", "2026-01-01T00:00:00Z", null, null],
    ]
    error_message = "The registry holds every key with the times between which its signatures are valid."
  }

  assert {
    condition = alltrue([
      for key in jsondecode(local.key_registry).keys :
      startswith(key.key_id, "arn:aws:kms:") && startswith(key.public_key, "-----BEGIN PUBLIC KEY-----")
    ])
    error_message = "The registry names a key by its ARN and has its public key."
  }

  assert {
    condition     = local.key_registry_until == "2037-01-01T00:00:00Z"
    error_message = "The registry is kept for ten years and the evidence's retention after the last change."
  }
}

run "is_evidence_alone_without_a_data_set_and_leads_to_the_console_of_its_partition" {
  command = plan

  variables {
    datasets = []
    region   = "cn-north-1"
  }
  override_data {
    target = data.aws_partition.current
    values = { dns_suffix = "amazonaws.com.cn", partition = "aws-cn" }
  }

  assert {
    condition     = output.tables == {} && output.jobs == {} && output.streams == {} && keys(output.functions) == ["auditor", "recorder", "sealer"]
    error_message = "Without a data set there is no table, job, stream or gate."
  }

  assert {
    condition     = length([for short in ["etl", "gate", "ingest"] : short if contains(keys(output.roles), short)]) == 0
    error_message = "Nor a role for any of them."
  }

  assert {
    condition     = !contains(keys(output.monitoring_urls), "glue_jobs")
    error_message = "Nor a page of the console about jobs."
  }

  assert {
    condition = toset(regexall("custody-test-[a-z-]+", aws_cloudwatch_composite_alarm.evidence_at_risk.alarm_rule)) == toset([
      "custody-test-auditor-errors",
      "custody-test-auditor-schedule-undelivered",
      "custody-test-auditor-silent",
      "custody-test-emergency-role-used",
      "custody-test-recorder-backlog",
      "custody-test-recorder-dead-letters",
      "custody-test-recorder-errors",
      "custody-test-sealer-backlog",
      "custody-test-sealer-checkpoint-age",
      "custody-test-sealer-dead-letters",
      "custody-test-sealer-errors",
      "custody-test-sealer-silent",
    ])
    error_message = "Evidence is at risk by what makes, seals and watches it; with data sets also by what the gate refuses."
  }

  assert {
    condition     = length(regexall("gate|Firehose|Glue", aws_cloudwatch_dashboard.health.dashboard_body)) == 0
    error_message = "The dashboard shows only what there is."
  }

  assert {
    condition     = output.monitoring_urls["cloudtrail_events"] == "https://cn-north-1.console.amazonaws.cn/cloudtrailv2/home?region=cn-north-1#/events"
    error_message = "Each partition has a console of its own."
  }
}

# Refusals are tested on the variables alone (`inputs` links to them): as many as possible at once, one wrong value per
# variable.

run "refuses_to_adopt_what_it_could_not_prove" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    adopted_buckets = { archive = { bucket = "archive", prefixes = ["letters/"], since = "2026-01-15T09:30:00Z", account_id = "210987654321" } }
  }
  expect_failures = [var.adopted_buckets]
}

run "refuses_to_adopt_by_another_name_and_from_any_time" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    adopted_buckets = { Archive = { bucket = "arn:aws:s3:::archive", prefixes = ["letters/"], since = "yesterday" } }
  }
  expect_failures = [var.adopted_buckets]
}

run "refuses_to_adopt_in_the_future" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    adopted_buckets = { archive = { bucket = "archive", prefixes = ["letters/"], since = "9999-01-01T00:00:00Z" } }
  }
  expect_failures = [var.adopted_buckets]
}

run "refuses_a_copy_in_the_same_account" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    evidence_copy = { bucket = "copy", key_arn = "arn:aws:kms:us-west-2:123456789012:key/1234" }
  }
  expect_failures = [var.evidence_copy]
}

run "refuses_to_adopt_without_saying_what" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    adopted_buckets = { archive = { bucket = "archive", prefixes = [], since = "2026-01-15T09:30:00Z" } }
  }
  expect_failures = [var.adopted_buckets]
}

run "refuses_the_placeholders" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    account_id   = "<your-account-id>"
    alert_emails = ["<your-address>"]
    operators    = { deploy = ["<arn-of-your-apply-role>"] }
    people       = { auditor = { principals = ["<arn-of-your-auditor>"] } }
    region       = "<your-region>"
    signing_key  = "a"
    signing_keys = { a = { valid_from = "<today>T00:00:00Z" } }
  }
  expect_failures = [var.account_id, var.alert_emails, var.operators, var.people, var.region, var.signing_keys]
}

run "refuses_what_is_not_there" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    environment       = "Production!"
    etl               = { worker_type = "Standard" }
    name              = "custody-of-everything"
    query             = { result_days = 0.5 }
    recorded_prefixes = { raw = ["incoming/"] }
    recorder          = { batch_size = 100 }
    retention         = { evidence_mode = "FOREVER" }
    signing_key       = "c"
    stream            = { buffering_mib = 0, buffering_seconds = 901, freshness_seconds = 60 }
    tags              = { environment = "prod" }
    trail_regions     = ["Frankfurt"]
    watermark_minutes = 2880
  }
  expect_failures = [
    var.environment,
    var.etl,
    var.name,
    var.query,
    var.recorded_prefixes,
    var.recorder,
    var.retention,
    var.signing_key,
    var.stream,
    var.tags,
    var.trail_regions,
    var.watermark_minutes,
  ]
}

run "leaves_people_to_identity_center" {
  command = plan

  variables {
    identity_center = {
      instance = { arn = "arn:aws:sso:::instance/ssoins-1234567890abcdef", identity_store_id = "d-1234567890" }
      personas = { for persona in ["analyst", "auditor", "break-glass"] : persona => { group_ids = ["11111111-2222-3333-4444-555555555555"] } }
    }
    lake_formation = {
      administrators = ["arn:aws:iam::123456789012:role/administrator"]
      people         = { analyst = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_custody-test-analyst_0123456789abcdef" }
    }
  }

  assert {
    condition     = length([for short in keys(output.roles) : short if startswith(short, "people-")]) == 0
    error_message = "Identity Center makes the roles of people."
  }

  assert {
    condition = contains(
      local.bucket_principals["provenance"],
      "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_custody-test-auditor_*",
    )
    error_message = "A bucket names the roles that Identity Center makes by their beginning."
  }

  assert {
    condition = alltrue([
      for short, principals in local.bucket_principals :
      !anytrue([for arn in principals : strcontains(arn, "role/custody-test-people-")])
    ])
    error_message = "No bucket names a role that there is not."
  }

  assert {
    condition     = local.governed_people == var.lake_formation.people
    error_message = "Lake Formation grants to the roles that Identity Center created, which the input gives."
  }
}

run "refuses_too_little" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    adopted_buckets   = { archive = { bucket = "archive", prefixes = ["letters"], since = "2026-01-15T09:30:00Z" } }
    auditor           = { every_minutes = 14 }
    etl               = { workers = 1 }
    finding_emails    = { "ops@example.org" = [] }
    operators         = { deploy = [] }
    people            = { auditor = { principals = [] } }
    query             = { scan_limit_bytes = 1000 }
    recorded_prefixes = { "raw-data" = [] }
    recorder          = { max_concurrency = 1 }
    retention         = { evidence_days = 0 }
    seal_seconds      = 0
    signing_keys      = { b = { valid_from = "2026-01-01" } }
    watermark_minutes = -1
  }
  expect_failures = [
    var.adopted_buckets, var.auditor, var.etl, var.finding_emails, var.operators, var.people, var.query, var.recorded_prefixes, var.recorder, var.retention, var.seal_seconds,
    var.signing_keys, var.watermark_minutes,
  ]
}

run "refuses_signers_of_the_log_that_could_not_be_verified" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    log_signers = {
      ed = { algorithm = "ed25519ph", key_arn = "alias/log", valid_from = "2025-01-01" }
    }
  }
  expect_failures = [var.log_signers]
}

run "takes_a_signer_of_the_log_made_elsewhere" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    log_signers = {
      ed = { algorithm = "ed25519", key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", valid_from = "2025-01-01T00:00:00Z" }
    }
  }
}

run "refuses_a_succession_of_logs_that_could_not_be_told" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    log_succession = {
      end         = { at = "2026-12-01", successor = "https://logs.example/next" }
      predecessor = { origin = "logs.example/log", root = "AAAA", size = 0.5 }
    }
  }
  expect_failures = [var.log_succession]
}

run "refuses_witnesses_that_cannot_be_asked" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    witnesses = { ours = { key = "witness.example/ours+5f0c9a11+BN3qhVmjgHFjAXWkXYUrG1QNQ5dC7wD0FVFkWsCGgbUW", url = "http://witness.example" } }
  }
  expect_failures = [var.witnesses]
}

run "refuses_witnesses_whose_cosignatures_could_not_be_verified" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    witnesses = { ours = { key = "witness.example/ours+5f0c9a11+AN3qhVmjgHFjAXWkXYUrG1QNQ5dC7wD0FVFkWsCGgbUW", url = "https://witness.example" } }
  }
  expect_failures = [var.witnesses]
}

run "refuses_one_witness_twice" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    witnesses = {
      ours   = { key = "witness.example/ours+5f0c9a11+BN3qhVmjgHFjAXWkXYUrG1QNQ5dC7wD0FVFkWsCGgbUW", url = "https://witness.example" }
      theirs = { key = "witness.example/ours+5f0c9a12+BN3qhVmjgHFjAXWkXYUrG1QNQ5dC7wD0FVFkWsCGgbUV", url = "https://witness.example" }
    }
  }
  expect_failures = [var.witnesses]
}

run "refuses_more_witnesses_than_a_functions_environment_holds" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    witnesses = {
      for label in split("", "abcdefghijklmnopqrst") :
      label => { key = "witness.example/${label}+5f0c9a11+BN3qhVmjgHFjAXWkXYUrG1QNQ5dC7wD0FVFkWsCGgbUW", url = "https://witness.example/${label}" }
    }
  }
  expect_failures = [var.witnesses]
}

run "refuses_witnesses_where_there_is_no_way_out" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    network   = { azs = ["eu-central-1a", "eu-central-1b"], cidr = "10.20.0.0/16" }
    witnesses = { ours = { key = "witness.example/ours+5f0c9a11+BN3qhVmjgHFjAXWkXYUrG1QNQ5dC7wD0FVFkWsCGgbUW", url = "https://witness.example" } }
  }
  expect_failures = [var.witnesses]
}

run "refuses_more_users_than_a_role_can_trust" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    people = { auditor = { principals = [for number in range(60) : "arn:aws:iam::123456789012:user/auditors/${number}"] } }
  }
  expect_failures = [var.people]
}

run "refuses_what_aws_does_not_take" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    adopted_buckets        = { archive = { bucket = "archive", prefixes = ["letters/"], since = "2026-01-15T09:30:00Z", key_arn = "alias/theirs" } }
    etl                    = { timeout_minutes = 10080 }
    operators              = { deploy = ["arn:aws:iam::123456789012:role/AWSReservedSSO_ops_0123456789abcdef"] }
    people                 = { auditor = { principals = ["arn:aws:iam::123456789012:user/alice"], session_hours = 24 } }
    permissions_boundaries = { people = "arn:aws:iam::aws:policy/ReadOnlyAccess", service = "boundary" }
    recorded_prefixes      = { "raw-data" = ["incoming/", "incoming/devices/"] }
    recorder               = { timeout_seconds = 3600 }
    retention              = { log_days = 100 }
    signing_keys = {
      b           = { valid_from = "2026-01-01T00:00:00Z" }
      "Key of 25" = { valid_from = "2025-01-01T00:00:00Z" }
    }
  }
  expect_failures = [
    var.adopted_buckets, var.etl, var.operators, var.people, var.permissions_boundaries, var.recorded_prefixes, var.recorder,
    var.retention, var.signing_keys,
  ]
}

run "refuses_half_a_folder_and_a_key_that_ends_before_it_begins" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    adopted_buckets   = { ours = { bucket = "custody-test-raw-data-123456789012", prefixes = ["other/"], since = "2026-01-15T09:30:00Z" } }
    etl               = { schedule_minutes = 0.5 }
    operators         = { data = ["arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:root"], deploy = ["arn:aws:iam::123456789012:role/apply"] }
    people            = { break-glass = { principals = ["arn:aws:iam::123456789012:user/alice"], session_hours = 2 } }
    recorded_prefixes = { "raw-data" = ["incoming"] }
    recorder          = { memory_mb = 128 }
    retention         = { key_window_days = 1 }
    signing_keys = {
      a = { valid_from = "2025-01-01T00:00:00Z", valid_until = "2024-01-01T00:00:00Z" }
      b = { valid_from = "2026-01-01T00:00:00Z" }
    }
  }
  expect_failures = [
    var.adopted_buckets, var.etl, var.operators, var.people, var.recorded_prefixes, var.recorder, var.retention,
    var.signing_keys,
  ]
}

run "refuses_a_prefix_twice_and_to_sign_with_a_key_that_ends" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    adopted_buckets = { archive = { bucket = "archive", prefixes = ["letters/", "letters/old/"], since = "2026-01-15T09:30:00Z" } }
    operators = {
      data   = ["arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_ops_more_*"]
      deploy = ["arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_ops_*"]
    }
    people            = { everybody = { principals = ["arn:aws:iam::123456789012:user/alice"] } }
    recorded_prefixes = { "raw-data" = ["incoming/", "incoming/"] }
    retention         = { noncurrent_days = 0 }
    signing_key       = "a"
    finding_emails    = { "ops@example.org" = ["urgent"] }
  }
  expect_failures = [var.adopted_buckets, var.finding_emails, var.operators, var.people, var.recorded_prefixes, var.retention, var.signing_key]
}

run "refuses_to_empty_what_nobody_can_and_to_sign_with_a_revoked_key" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    adopted_buckets = {
      one = { bucket = "archive", prefixes = ["letters/"], since = "2026-01-15T09:30:00Z" }
      two = { bucket = "archive", prefixes = ["minutes/"], since = "2026-01-15T09:30:00Z" }
    }
    force_destroy   = true
    identity_center = { personas = {} }
    people          = { auditor = { principals = ["arn:aws:iam::123456789012:user/alice"] } }
    retention       = { evidence_mode = "COMPLIANCE" }
    alert_emails    = ["ops@example.org"]
    finding_emails  = { "ops@example.org" = ["low"] }
    signing_key     = "a"
    signing_keys    = { a = { valid_from = "2025-01-01T00:00:00Z", revoked_at = "2025-06-01T00:00:00Z" } }
  }
  expect_failures = [var.adopted_buckets, var.finding_emails, var.force_destroy, var.identity_center, var.signing_key]
}

# With deployments custody in dev and custody-dev in prod, the names of the second would begin like those of the first.
run "refuses_a_name_that_begins_as_anothers_and_tags_that_iam_takes_for_one" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    name         = "custody-dev"
    signing_keys = { b = { valid_from = "9999-01-01T00:00:00Z" } }
    tags         = { CostCenter = "1", costcenter = "2" }
  }
  expect_failures = [var.name, var.signing_keys, var.tags]
}

run "refuses_the_kits_own_tags_in_capitals_and_its_own_trail_instead_of_itself" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    management_trail_arn = "arn:aws:cloudtrail:eu-central-1:123456789012:trail/custody-test"
    signing_keys = {
      a = { valid_from = "2025-01-01T00:00:00Z", revoked_at = "9999-01-01T00:00:00Z" }
      b = { valid_from = "2026-01-01T00:00:00Z" }
    }
    tags = { Environment = "Production", Managed_By = "platform", Project = "lake" }
  }
  expect_failures = [var.management_trail_arn, var.signing_keys, var.tags]
}

run "refuses_what_aws_keeps_and_a_key_revoked_before_it_began" {
  command = plan
  module {
    source = "./tests/inputs"
  }
  variables {
    management_trail_arn = "arn:aws:cloudtrail:eu-central-1:123456789012:trail/*"
    signing_keys = {
      a = { valid_from = "2025-01-01T00:00:00Z", revoked_at = "2024-01-01T00:00:00Z" }
      b = { valid_from = "2026-01-01T00:00:00Z" }
    }
    tags = { "AWS:owner" = "platform" }
  }
  expect_failures = [var.management_trail_arn, var.signing_keys, var.tags]
}

run "takes_a_new_region_without_a_console_that_is_known_and_tags_in_every_script" {
  command = plan
  variables {
    datasets = []
    region   = "eusc-de-east-1"
    tags     = { "Kostenstelle/Größe" = "Zürich + 東京: 1_a.b=c@d-e", empty = "" }
  }
  override_data {
    target = data.aws_partition.current
    values = { dns_suffix = "amazonaws.eu", partition = "aws-eusc" }
  }

  assert {
    condition     = output.region == "eusc-de-east-1" && startswith(output.trail_arn, "arn:aws-eusc:cloudtrail:eusc-de-east-1:")
    error_message = "Names of AWS Regions are accepted in any of AWS's forms."
  }

  assert {
    condition     = output.monitoring_urls == {}
    error_message = "No address is guessed."
  }
}
