mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id   = "123456789012"
  boundary_arn = "arn:aws:iam::123456789012:policy/custody-test-orchestrator-boundary"
  bucket       = "custody-test-airflow-123456789012"
  key_arn      = "arn:aws:kms:eu-central-1:123456789012:key/11111111-12ab-4cde-8123-1234567890ab"
  name         = "custody-test-airflow"
  network      = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1", "subnet-2"] }
  policies     = { work = "{\"Statement\": []}" }
  role_name    = "custody-test-orchestrator"
  topic_arn    = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts"

  code = {
    dags         = { "custody_orchestration/dag.py" = "main.tf", "custody_daily.py" = "versions.tf" }
    deployment   = "{\"workgroup\": \"custody-test\"}"
    plugins      = "outputs.tf"
    requirements = "variables.tf"
  }
}

run "is_private_and_logs_all_of_it" {
  assert {
    condition     = aws_mwaa_environment.this.webserver_access_mode == "PRIVATE_ONLY" && aws_mwaa_environment.this.airflow_version == "3.0.6" && aws_mwaa_environment.this.kms_key == var.key_arn
    error_message = "Airflow's pages are private, and what it keeps is encrypted with the key."
  }

  assert {
    condition = alltrue([
      for one in [
        aws_mwaa_environment.this.logging_configuration[0].dag_processing_logs[0], aws_mwaa_environment.this.logging_configuration[0].scheduler_logs[0],
        aws_mwaa_environment.this.logging_configuration[0].task_logs[0], aws_mwaa_environment.this.logging_configuration[0].webserver_logs[0],
        aws_mwaa_environment.this.logging_configuration[0].worker_logs[0],
      ] : one.enabled && one.log_level == "INFO"
    ])
    error_message = "Every log is on, at INFO."
  }

  assert {
    condition = (
      toset([for group in values(aws_cloudwatch_log_group.this) : group.name]) == toset([for component in ["DAGProcessing", "Scheduler", "Task", "WebServer", "Worker"] : "airflow-custody-test-airflow-${component}"])
      && alltrue([for group in values(aws_cloudwatch_log_group.this) : group.kms_key_id == var.key_arn && group.retention_in_days == 365])
    )
    error_message = "The logs are encrypted, and kept for a time."
  }
}

run "runs_what_is_uploaded_by_version_and_digest" {
  assert {
    condition = (
      aws_mwaa_environment.this.plugins_s3_path == "plugins/${filesha256("outputs.tf")}.zip" && aws_mwaa_environment.this.plugins_s3_object_version == aws_s3_object.plugins.version_id
      && aws_mwaa_environment.this.requirements_s3_path == "requirements/${filesha256("variables.tf")}.txt" && aws_mwaa_environment.this.requirements_s3_object_version == aws_s3_object.requirements.version_id
    )
    error_message = "What is installed is named by its digest, and read by its version."
  }

  assert {
    condition     = toset([for object in concat(values(aws_s3_object.dags), [aws_s3_object.deployment]) : object.key]) == toset(["dags/custody_daily.py", "dags/custody_orchestration/dag.py", "dags/deployment.json"])
    error_message = "The DAGs and the file that they are derived from lie in one folder."
  }
}

run "may_do_what_the_service_documents_and_no_more" {
  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.environment.statement : s.sid => { actions = sort(s.actions), resources = sort(s.resources), conditions = { for c in s.condition : "${c.test} ${c.variable}" => sort(c.values) } }
      }) == jsonencode({
      EncryptTasksAndReadCode = {
        actions    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*"]
        resources  = [var.key_arn]
        conditions = { "StringEquals kms:ViaService" = ["s3.eu-central-1.amazonaws.com", "sqs.eu-central-1.amazonaws.com"] }
      }
      FindCode = {
        actions = [
          "s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketPolicy", "s3:GetBucketPolicyStatus", "s3:GetBucketPublicAccessBlock",
          "s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketVersions",
        ]
        resources  = ["arn:aws:s3:::custody-test-airflow-123456789012"]
        conditions = {}
      }
      FindLogsAndCheckPublicAccess = {
        actions    = ["logs:DescribeLogGroups", "s3:GetAccountPublicAccessBlock"]
        resources  = ["*"]
        conditions = {}
      }
      QueueTasks = {
        actions    = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:SendMessage"]
        resources  = ["arn:aws:sqs:eu-central-1:*:airflow-celery-*"]
        conditions = {}
      }
      ReadCode = {
        actions    = ["s3:GetObject", "s3:GetObjectVersion"]
        resources  = ["arn:aws:s3:::custody-test-airflow-123456789012/*"]
        conditions = {}
      }
      TellHealth = {
        actions    = ["airflow:PublishMetrics"]
        resources  = ["arn:aws:airflow:eu-central-1:123456789012:environment/custody-test-airflow"]
        conditions = {}
      }
      WriteLogs = {
        actions    = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:GetLogEvents", "logs:GetLogGroupFields", "logs:PutLogEvents"]
        resources  = [for component in ["DAGProcessing", "Scheduler", "Task", "WebServer", "Worker"] : "arn:aws:logs:eu-central-1:123456789012:log-group:airflow-custody-test-airflow-${component}:*"]
        conditions = {}
      }
      WriteMetrics = {
        actions    = ["cloudwatch:PutMetricData"]
        resources  = ["*"]
        conditions = { "StringEquals cloudwatch:namespace" = ["AmazonMWAA"] }
      }
    })
    error_message = "The role does what the environment needs."
  }
}

run "tells_of_a_silent_scheduler" {
  assert {
    condition = (
      aws_cloudwatch_metric_alarm.silent.dimensions == tomap({ Environment = "custody-test-airflow", Function = "Scheduler" })
      && aws_cloudwatch_metric_alarm.silent.treat_missing_data == "breaching" && aws_cloudwatch_metric_alarm.silent.alarm_actions == toset([var.topic_arn])
    )
    error_message = "No heartbeat is an alarm, and so is none at all."
  }
}

run "refuses_what_is_not_there" {
  command = plan
  variables {
    account_id         = "1234"
    boundary_arn       = "boundary"
    bucket             = "arn:aws:s3:::bucket"
    key_arn            = "alias/key"
    log_retention_days = 2
    name               = "Airflow"
    network            = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1"] }
    policies           = { run-environment = "{\"Statement\": []}" }
    role_name          = "Role"
    size               = { class = "huge" }
    topic_arn          = "alerts"
  }
  expect_failures = [
    var.account_id, var.boundary_arn, var.bucket, var.key_arn, var.log_retention_days, var.name, var.network, var.policies,
    var.role_name, var.size, var.topic_arn,
  ]
}

run "refuses_code_without_dags" {
  command = plan
  variables {
    code = { dags = {}, deployment = "deployment", plugins = "outputs.tf", requirements = "variables.tf" }
  }
  expect_failures = [var.code]
}

run "refuses_more_workers_at_least_than_at_most" {
  command = plan
  variables {
    size = { maintenance = "sunday", max_workers = 1, min_workers = 2 }
  }
  expect_failures = [var.size]
}
