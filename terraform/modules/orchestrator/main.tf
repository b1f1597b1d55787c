# An environment of Amazon MWAA that runs the DAGs: its code, its logs and its role. Subnets and security groups are given.

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  here      = "${data.aws_region.current.name}:${var.account_id}"

  # Built from names, so that policies are known at plan.
  arn        = "arn:${local.partition}:airflow:${local.here}:environment/${var.name}"
  bucket_arn = "arn:${local.partition}:s3:::${var.bucket}"
  log_groups = {
    for component in ["DAGProcessing", "Scheduler", "Task", "WebServer", "Worker"] : component => "airflow-${var.name}-${component}"
  }
  log_group_arns = [for name in values(local.log_groups) : "arn:${local.partition}:logs:${local.here}:log-group:${name}"]

  # A file by its digest: what an environment has installed stays, and can be named.
  plugins_key      = "plugins/${filesha256(var.code.plugins)}.zip"
  requirements_key = "requirements/${filesha256(var.code.requirements)}.txt"
}

resource "aws_s3_object" "dags" {
  for_each = var.code.dags

  bucket             = var.bucket
  key                = "dags/${each.key}"
  source             = each.value
  source_hash        = filesha256(each.value)
  checksum_algorithm = "SHA256"
}

# The deployment's file, beside the DAGs that are derived from it.
resource "aws_s3_object" "deployment" {
  bucket             = var.bucket
  key                = "dags/deployment.json"
  content            = var.code.deployment
  content_type       = "application/json"
  checksum_algorithm = "SHA256"
}

resource "aws_s3_object" "plugins" {
  bucket             = var.bucket
  key                = local.plugins_key
  source             = var.code.plugins
  source_hash        = filesha256(var.code.plugins)
  checksum_algorithm = "SHA256"
}

resource "aws_s3_object" "requirements" {
  bucket             = var.bucket
  key                = local.requirements_key
  source             = var.code.requirements
  source_hash        = filesha256(var.code.requirements)
  checksum_algorithm = "SHA256"
}

# The service would create them without an end of retention.
resource "aws_cloudwatch_log_group" "this" {
  for_each = local.log_groups

  name              = each.value
  kms_key_id        = var.key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_mwaa_environment" "this" {
  name                            = var.name
  airflow_version                 = "3.0.6"
  dag_s3_path                     = "dags/"
  environment_class               = var.size.class
  execution_role_arn              = module.role.ready_arn
  kms_key                         = var.key_arn
  max_webservers                  = var.size.max_webservers
  max_workers                     = var.size.max_workers
  min_webservers                  = var.size.min_webservers
  min_workers                     = var.size.min_workers
  plugins_s3_object_version       = aws_s3_object.plugins.version_id
  plugins_s3_path                 = aws_s3_object.plugins.key
  requirements_s3_object_version  = aws_s3_object.requirements.version_id
  requirements_s3_path            = aws_s3_object.requirements.key
  schedulers                      = var.size.schedulers
  source_bucket_arn               = local.bucket_arn
  webserver_access_mode           = "PRIVATE_ONLY"
  weekly_maintenance_window_start = var.size.maintenance

  logging_configuration {
    dag_processing_logs {
      enabled   = true
      log_level = "INFO"
    }

    scheduler_logs {
      enabled   = true
      log_level = "INFO"
    }

    task_logs {
      enabled   = true
      log_level = "INFO"
    }

    webserver_logs {
      enabled   = true
      log_level = "INFO"
    }

    worker_logs {
      enabled   = true
      log_level = "INFO"
    }
  }

  network_configuration {
    security_group_ids = var.network.security_group_ids
    subnet_ids         = var.network.subnet_ids
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_s3_object.dags, aws_s3_object.deployment]
}

# What the environment itself needs, whatever its DAGs do.
# https://docs.aws.amazon.com/mwaa/latest/userguide/mwaa-create-role.html#mwaa-create-role-cmk
data "aws_iam_policy_document" "environment" {
  statement {
    sid       = "TellHealth"
    actions   = ["airflow:PublishMetrics"]
    resources = [local.arn]
  }

  statement {
    sid       = "ReadCode"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${local.bucket_arn}/*"]
  }

  statement {
    sid = "FindCode"
    actions = [
      "s3:GetBucketAcl",
      "s3:GetBucketLocation",
      "s3:GetBucketPolicy",
      "s3:GetBucketPolicyStatus",
      "s3:GetBucketPublicAccessBlock",
      "s3:GetBucketVersioning",
      "s3:ListBucket",
      "s3:ListBucketVersions",
    ]
    resources = [local.bucket_arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:GetLogEvents", "logs:GetLogGroupFields", "logs:PutLogEvents"]
    resources = [for arn in local.log_group_arns : "${arn}:*"]
  }

  # Neither has resource-level permissions: the service checks that the bucket is not public, and finds the logs.
  statement {
    sid       = "FindLogsAndCheckPublicAccess"
    actions   = ["logs:DescribeLogGroups", "s3:GetAccountPublicAccessBlock"]
    resources = ["*"]
  }

  # It has no resource-level permissions.
  statement {
    sid       = "WriteMetrics"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "cloudwatch:namespace"
      values   = ["AmazonMWAA"]
    }
  }

  # The queue of tasks is in an account of the service.
  statement {
    sid = "QueueTasks"
    actions = [
      "sqs:ChangeMessageVisibility",
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
    ]
    resources = ["arn:${local.partition}:sqs:${data.aws_region.current.name}:*:airflow-celery-*"]
  }

  statement {
    sid       = "EncryptTasksAndReadCode"
    actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*"]
    resources = [var.key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in ["s3", "sqs"] : "${service}.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}"]
    }
  }
}

module "role" {
  source = "../role"

  account_id   = var.account_id
  boundary_arn = var.boundary_arn
  description  = "Runs Airflow and its tasks, in the environment ${var.name}"
  name         = var.role_name
  policies     = merge(var.policies, { run-environment = data.aws_iam_policy_document.environment.json })

  # https://docs.aws.amazon.com/mwaa/latest/userguide/cross-service-confused-deputy-prevention.html
  trust = { service = { also = "airflow-env.amazonaws.com", name = "airflow.amazonaws.com", source_arns = [local.arn] } }
}

# Airflow schedules nothing: its scheduler has sent no heartbeat, or there is none.
# https://docs.aws.amazon.com/mwaa/latest/userguide/access-metrics-cw.html
resource "aws_cloudwatch_metric_alarm" "silent" {
  alarm_name          = "${var.name}-silent"
  alarm_description   = "The scheduler of Airflow in ${var.name} is silent: no run begins and no task is started until it is back."
  namespace           = "AmazonMWAA"
  metric_name         = "SchedulerHeartbeat"
  dimensions          = { Environment = var.name, Function = "Scheduler" }
  statistic           = "Sum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 300
  evaluation_periods  = 3
  treat_missing_data  = "breaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}
