# Amazon MWAA, which runs the DAGs of dags/, if it is wanted. The tasks verify as an auditor does, ask the gate to work, and load
# the warehouse as the loader, or have its task load: they can write no data and no evidence.

locals {
  orchestrator_name      = "${local.prefix}-airflow"
  orchestrator_role_arns = var.orchestrator == null ? [] : [module.orchestrator[0].role_arn]
}

data "aws_iam_policy_document" "orchestrator_work" {
  count = var.orchestrator == null ? 0 : 1

  statement {
    sid       = "AskGateToStartJobs"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.function_arns["gate"]]
  }

  statement {
    sid       = "WatchJobs"
    actions   = ["glue:GetJobRuns"]
    resources = values(local.job_arns)
  }

  statement {
    sid       = "ReadManifestsAndLineage"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = concat(["${local.bucket_arns["processed"]}/manifests/*"], [for short in ["analytics", "processed"] : "${local.bucket_arns[short]}/tables/*"])
  }

  statement {
    sid       = "TellOfRuns"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]
  }

  # It has no resource-level permissions.
  statement {
    sid       = "VerifyDigestsOfTheTrail"
    actions   = ["cloudtrail:ListPublicKeys"]
    resources = ["*"]
  }

  statement {
    sid       = "ExamineTrails"
    actions   = ["cloudtrail:GetEventSelectors", "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus"]
    resources = [local.management_trail_arn, local.trail_arn]
  }

  dynamic "statement" {
    for_each = var.snowflake == null || local.has_loader ? [] : ["warehouse"]

    content {
      sid       = "LoadAsLoader"
      actions   = ["sts:AssumeRole"]
      resources = [local.role_arns["loader"]]
    }
  }

  dynamic "statement" {
    for_each = local.has_loader ? { RunLoader = ["RunTask", "task-definition/${local.loader_name}:*"], AwaitLoader = ["DescribeTasks", "task/${local.loader_name}/*"] } : {}

    content {
      sid       = statement.key
      actions   = ["ecs:${statement.value[0]}"]
      resources = ["arn:${local.partition}:ecs:${var.region}:${var.account_id}:${statement.value[1]}"]

      condition {
        test     = "ArnEquals"
        variable = "ecs:cluster"
        values   = ["arn:${local.partition}:ecs:${var.region}:${var.account_id}:cluster/${local.loader_name}"]
      }
    }
  }

  dynamic "statement" {
    for_each = local.has_loader ? ["roles"] : []

    content {
      sid       = "HandLoaderItsRoles"
      actions   = ["iam:PassRole"]
      resources = [for short in ["loader", "loader-execution"] : local.role_arns[short]]

      condition {
        test     = "StringEquals"
        variable = "iam:PassedToService"
        values   = ["ecs-tasks.amazonaws.com"]
      }
    }
  }
}

data "aws_iam_policy_document" "orchestrator_keys" {
  count = var.orchestrator == null ? 0 : 1

  statement {
    sid       = "DecryptEvidence"
    actions   = ["kms:Decrypt"]
    resources = concat([module.provenance_key.arn], local.trail_key_arns)
  }

  statement {
    sid       = "DecryptObjectsAndEncryptResultsAndMessages"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.alerts.key_arn, module.data_key.arn]
  }
}

module "orchestrator_key" {
  source = "./modules/key"
  count  = var.orchestrator == null ? 0 : 1

  account_id           = var.account_id
  deletion_window_days = var.retention.key_window_days
  description          = "Encrypts what Airflow of ${local.prefix} keeps: its database, its queue, its code and its logs"
  name                 = local.orchestrator_name
  principals           = local.bucket_people["airflow"]
  via_services         = ["airflow", "s3", "sqs"]

  users = {
    TasksAreQueuedAndCodeIsRead = {
      principals = local.orchestrator_role_arns
      actions    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*"]
    }
    # https://docs.aws.amazon.com/mwaa/latest/userguide/custom-keys-certs.html#custom-keys-certs-grant-policies-attach
    LogsEncryptLogsOfAirflow = {
      principals = ["logs.${var.region}.${local.dns_suffix}"]
      actions    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
      conditions = [
        { test = "ArnLike", variable = "kms:EncryptionContext:aws:logs:arn", values = ["arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:airflow-${local.orchestrator_name}-*"] },
      ]
    }
  }
}

module "orchestrator_bucket" {
  source = "./modules/bucket"
  count  = var.orchestrator == null ? 0 : 1

  access_log_bucket = module.access_logs.name
  force_destroy     = var.force_destroy
  key_arn           = module.orchestrator_key[0].arn
  lifecycle_days    = { noncurrent = var.retention.noncurrent_days }
  name              = local.bucket_names["airflow"]
  principals        = local.bucket_principals["airflow"]

  # Only a deployment writes what Airflow runs.
  sole_writers = {
    for prefix in ["dags/", "plugins/", "requirements/"] : prefix => { principals = var.operators.deploy, writes = "freely" }
  }
}

module "orchestrator" {
  source = "./modules/orchestrator"
  count  = var.orchestrator == null ? 0 : 1

  account_id         = var.account_id
  boundary_arn       = local.boundary_arns["orchestrator"]
  bucket             = module.orchestrator_bucket[0].name
  key_arn            = module.orchestrator_key[0].arn
  log_retention_days = var.retention.log_days
  name               = local.orchestrator_name
  network            = var.orchestrator.network
  role_name          = local.role_names["orchestrator"]
  size               = var.orchestrator.size
  topic_arn          = module.alerts.topic_arn

  code = {
    dags         = { for file in fileset("${path.root}/../dags", "**/*.py") : file => "${path.root}/../dags/${file}" }
    deployment   = jsonencode(local.deployment)
    plugins      = "${path.root}/../build/mwaa/plugins.zip"
    requirements = "${path.root}/../build/mwaa/requirements.txt"
  }

  policies = merge(local.adopted_auditor_policies, local.copy_auditor_policies, local.existing_trail_policies, {
    query         = data.aws_iam_policy_document.query.json
    read-evidence = data.aws_iam_policy_document.people_auditor.json
    use-keys      = data.aws_iam_policy_document.orchestrator_keys[0].json
    work          = data.aws_iam_policy_document.orchestrator_work[0].json
  })
}
