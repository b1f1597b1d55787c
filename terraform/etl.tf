# What is made of the data: jobs that read arrivals and write tables, and the gate, which lets them have verified versions
# only and alone starts them.

locals {
  quality_folder = "${path.root}/../glue/quality"

  # A silver table is made from what arrives under a prefix, by a job of its own; gold is made from silver, by one job.
  contracts     = { for file in fileset(local.quality_folder, "*.yaml") : trimsuffix(file, ".yaml") => yamldecode(file("${local.quality_folder}/${file}")) }
  silver_tables = { for table, contract in local.contracts : table => contract.source.prefix if can(contract.source) }
  silver_jobs   = { for table in keys(local.silver_tables) : table => "raw-to-processed-${replace(table, "_", "-")}" }
  gold_job      = "processed-to-analytics"

  job_names = { for short in concat(values(local.silver_jobs), [local.gold_job]) : short => "${local.prefix}-${short}" }
  job_arns = {
    for short, name in local.job_names : short => "arn:${local.partition}:glue:${var.region}:${var.account_id}:job/${name}"
  }
}

locals {
  # Whose decisions count, by the id of the role. Identity Center makes its roles after Terraform, with ids that nobody
  # knows before: there the gate goes by the bucket's policy, which names who creates decisions.
  decider_role_ids = (
    var.identity_center == null
    ? join(",", concat(["nobody"], [for persona, role in module.people_role : role.id if persona == "data-engineer"]))
    : contains(keys(local.persona_arns), "data-engineer") ? "any" : "nobody"
  )
}

data "aws_iam_policy_document" "gate_objects" {
  statement {
    sid       = "ListArrivedVersions"
    actions   = ["s3:ListBucketVersions"]
    resources = [local.bucket_arns["raw-data"]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["incoming/*"]
    }
  }

  statement {
    sid       = "ReadReceipts"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["provenance"]}/provenance/*", "${local.bucket_arns["provenance"]}/keys/registry.json"]
  }

  # Without it, S3 answers 403 for a receipt that is missing, and missing looks like forbidden. It cannot be tied to a
  # prefix: a GetObject names none.
  statement {
    sid       = "TellAbsentFromDenied"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arns["provenance"]]
  }

  statement {
    sid       = "CreateManifests"
    actions   = ["s3:PutObject"]
    resources = ["${local.bucket_arns["processed"]}/manifests/*"]
  }

  # What it has handed out, which of it the jobs are done with, and what people decided about what was withheld.
  statement {
    sid     = "ReadManifestsLineageAndDecisions"
    actions = ["s3:GetObject"]
    resources = [
      "${local.bucket_arns["analytics"]}/tables/*/_lineage/*",
      "${local.bucket_arns["processed"]}/decisions/*",
      "${local.bucket_arns["processed"]}/manifests/*",
      "${local.bucket_arns["processed"]}/tables/*/_lineage/*",
    ]
  }

  statement {
    sid       = "ListManifestsLineageAndDecisions"
    actions   = ["s3:ListBucket"]
    resources = [for short in ["analytics", "processed"] : local.bucket_arns[short]]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["decisions/*", "manifests/*", "tables/*"]
    }
  }
}

# Who starts a job chooses, by its arguments, the code that runs as the role of the jobs: nobody else does.
data "aws_iam_policy_document" "gate_jobs" {
  statement {
    sid       = "StartAndWatchJobs"
    actions   = ["glue:GetJobRuns", "glue:StartJobRun"]
    resources = values(local.job_arns)
  }
}

data "aws_iam_policy_document" "gate_alerts" {
  statement {
    sid       = "TellWhatIsWithheld"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]
  }
}

data "aws_iam_policy_document" "gate_keys" {
  statement {
    sid       = "DecryptReceipts"
    actions   = ["kms:Decrypt"]
    resources = [module.provenance_key.arn]
  }

  statement {
    sid       = "EncryptManifests"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.data_key.arn]
  }

  statement {
    sid       = "EncryptAlerts"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.alerts.key_arn]
  }

  statement {
    sid       = "VerifySignatures"
    actions   = ["kms:Verify"]
    resources = [for key in module.signing_key : key.arn]
  }
}

module "gate_role" {
  source = "./modules/role"

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Checks the receipts of ${local.prefix} before a job reads what they are of"
  name         = local.role_names["gate"]
  trust        = { service = { name = "lambda.amazonaws.com", source_arns = [local.function_arns["gate"]] } }

  policies = merge(local.function_network_policies["gate"], {
    objects          = data.aws_iam_policy_document.gate_objects.json
    start-jobs       = data.aws_iam_policy_document.gate_jobs.json
    tell-of-withheld = data.aws_iam_policy_document.gate_alerts.json
    use-keys         = data.aws_iam_policy_document.gate_keys.json
    write-log        = data.aws_iam_policy_document.function_log["gate"].json
  })
}

module "gate" {
  source = "./modules/function"

  account_id         = var.account_id
  key_arn            = module.provenance_key.arn
  log_retention_days = var.retention.log_days
  name               = local.function_names["gate"]
  role_arn           = module.gate_role.ready_arn
  topic_arn          = module.alerts.topic_arn
  vpc                = local.function_vpc

  # A whole vCPU, and as long as Lambda lets it: after a standstill there are many receipts to check.
  size = { memory_mb = 1769, timeout_seconds = 900 }

  code = {
    bucket   = module.artifacts.name
    handler  = "gate.handler.handler"
    zip_path = "${path.root}/../build/lambda/gate.zip"
  }

  environment = {
    ANALYTICS_BUCKET             = local.bucket_names["analytics"]
    DECIDER_ROLE_IDS             = local.decider_role_ids
    ETL_ROLE_ID                  = module.etl_role.id
    GATE_ROLE_ID                 = module.gate_role.id
    GOLD_JOB                     = local.job_names[local.gold_job]
    POWERTOOLS_LOG_LEVEL         = "INFO"
    POWERTOOLS_METRICS_NAMESPACE = local.metrics_namespace
    POWERTOOLS_SERVICE_NAME      = "gate"
    PROCESSED_BUCKET             = local.bucket_names["processed"]
    PROVENANCE_BUCKET            = local.bucket_names["provenance"]
    RAW_BUCKET                   = local.bucket_names["raw-data"]
    TOPIC_ARN                    = local.topic_arn
    WATERMARK_MINUTES            = tostring(var.watermark_minutes)

    SILVER_TABLES = jsonencode({
      for table, prefix in local.silver_tables : table => { job = local.job_names[local.silver_jobs[table]], prefix = prefix }
    })
  }

  rules = {
    schedule = {
      description   = "Looks for versions that have been recorded, and hands them to the silver jobs"
      every_minutes = var.etl.schedule_minutes
      input         = jsonencode({})
    }
    # A conditional trigger of Glue's waits for jobs alone that triggers have started.
    silver-done = {
      description = "Starts the gold job once what a silver job has published is recorded"
      event_pattern = jsonencode({
        source      = ["aws.glue"]
        detail-type = ["Glue Job State Change"]
        detail      = { jobName = [for short in values(local.silver_jobs) : local.job_names[short]], state = ["SUCCEEDED"] }
      })
    }
  }
}

# It stays as long as there is such a version: the gate's own message names the new ones, once.
resource "aws_cloudwatch_metric_alarm" "versions_withheld" {
  alarm_name          = "${local.function_names["gate"]}-versions-withheld"
  alarm_description   = "Object versions of ${local.prefix} are withheld: they have no receipt that holds, or do not meet their contract. The gate's messages and its log name them."
  namespace           = local.metrics_namespace
  metric_name         = "VersionsWithheld"
  dimensions          = { service = "gate" }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60 * var.etl.schedule_minutes
  evaluation_periods  = 1
  treat_missing_data  = "ignore"
  alarm_actions       = [module.alerts.topic_arn]
  ok_actions          = [module.alerts.topic_arn]
}

# What the newest runs put into quarantine. It tells of a delivery, and goes by itself.
resource "aws_cloudwatch_metric_alarm" "rows_rejected" {
  alarm_name          = "${local.function_names["gate"]}-rows-rejected"
  alarm_description   = "Rows of deliveries to ${local.prefix} do not meet their contract and are in quarantine, each with its reason: the tables …_rejected."
  namespace           = local.metrics_namespace
  metric_name         = "RowsRejected"
  dimensions          = { service = "gate" }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60 * var.etl.schedule_minutes
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [module.alerts.topic_arn]
  ok_actions          = [module.alerts.topic_arn]
}

# Whoever could write below _lineage/, _seen/ or decisions/ and is not who writes there has tried to steer the gate.
resource "aws_cloudwatch_metric_alarm" "documents_refused" {
  alarm_name          = "${local.function_names["gate"]}-documents-refused"
  alarm_description   = "The gate of ${local.prefix} refuses lineage documents, summaries or decisions: their receipts do not hold, or name somebody who does not write such. Its log names them."
  namespace           = local.metrics_namespace
  metric_name         = "DocumentsRefused"
  dimensions          = { service = "gate" }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60 * var.etl.schedule_minutes
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [module.alerts.topic_arn]
  ok_actions          = [module.alerts.topic_arn]
}

data "aws_iam_policy_document" "etl_objects" {
  # By version alone: the newest of a key may be one that nobody has verified.
  statement {
    sid       = "ReadArrivals"
    actions   = ["s3:GetObjectVersion"]
    resources = ["${local.bucket_arns["raw-data"]}/incoming/*"]
  }

  statement {
    sid       = "ReadManifests"
    actions   = ["s3:GetObjectVersion"]
    resources = ["${local.bucket_arns["processed"]}/manifests/*"]
  }

  statement {
    sid       = "ReadCode"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arns["artifacts"]}/glue/*"]
  }

  # A Delta table is its files and the log of them: who writes it reads it.
  statement {
    sid       = "ReadAndWriteTables"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [for short in ["analytics", "processed"] : "${local.bucket_arns[short]}/tables/*"]
  }

  # Delta asks for the next file of its log and must hear that there is none, not that it is forbidden; and a version of
  # the manifest that is gone is left out, by name. It cannot be tied to a prefix: a GetObject names none.
  statement {
    sid       = "TellAbsentFromDenied"
    actions   = ["s3:ListBucket"]
    resources = [for short in ["analytics", "processed", "raw-data"] : local.bucket_arns[short]]
  }

  statement {
    sid       = "TellAbsentVersionsFromDenied"
    actions   = ["s3:ListBucketVersions"]
    resources = [local.bucket_arns["raw-data"]]
  }
}

data "aws_iam_policy_document" "etl_keys" {
  statement {
    sid       = "EncryptTables"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.data_key.arn]
  }
}

data "aws_iam_policy_document" "etl_log" {
  # Glue would make its log groups, and sets their key each time, as the job's role; or it logs nothing.
  # https://docs.aws.amazon.com/glue/latest/dg/monitor-continuous-logging.html
  statement {
    sid       = "SetUpLog"
    actions   = ["logs:AssociateKmsKey", "logs:CreateLogGroup"]
    resources = flatten([for short in ["jobs-error", "jobs-output"] : [local.log_group_arns[short], "${local.log_group_arns[short]}:*"]])
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = [for short in ["jobs-error", "jobs-output"] : "${local.log_group_arns[short]}:*"]
  }
}

module "etl_role" {
  source = "./modules/role"

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Makes tables of what arrived in ${local.prefix}"
  name         = local.role_names["etl"]

  # A trust policy has no room for every table's job by name (2048 characters).
  trust = {
    service = {
      match = "like"
      name  = "glue.amazonaws.com"
      source_arns = [
        local.job_arns[local.gold_job],
        "arn:${local.partition}:glue:${var.region}:${var.account_id}:job/${local.prefix}-raw-to-processed-*",
      ]
    }
  }

  policies = merge({ for document in data.aws_iam_policy_document.job_network : "make-interfaces" => document.json }, {
    objects   = data.aws_iam_policy_document.etl_objects.json
    use-keys  = data.aws_iam_policy_document.etl_keys.json
    write-log = data.aws_iam_policy_document.etl_log.json
  })
}

module "jobs" {
  source = "./modules/job"

  connections        = [for connection in aws_glue_connection.jobs : connection.name]
  key_arn            = module.data_key.arn
  log_retention_days = var.retention.log_days
  prefix             = local.prefix
  role_arn           = module.etl_role.ready_arn
  size               = var.etl
  topic_arn          = module.alerts.topic_arn

  code = {
    bucket       = module.artifacts.name
    folder       = "${path.root}/../glue"
    wheel_folder = "${path.root}/../build/dist"
  }

  jobs = merge(
    {
      for table, short in local.silver_jobs : short => {
        description = "Makes the silver table ${table} from the versions that the gate has verified"
        script      = "raw_to_processed.py"
        arguments   = { tables = "s3://${local.bucket_names["processed"]}/tables" }
      }
    },
    {
      (local.gold_job) = {
        description = "Makes the gold tables from the silver ones"
        script      = "processed_to_analytics.py"
        arguments = {
          analytics = "s3://${local.bucket_names["analytics"]}/tables"
          processed = "s3://${local.bucket_names["processed"]}/tables"
        }
      }
    },
  )
}

# The contracts' rules in the words of Glue Data Quality, which can hold the tables to them at any time; the jobs hold what
# they publish to the contracts themselves.
resource "aws_glue_data_quality_ruleset" "contract" {
  for_each = local.contracts

  name        = "${local.prefix}-${replace(each.key, "_", "-")}"
  description = each.value.meaning
  ruleset     = file("${local.quality_folder}/${each.key}.dqdl")

  target_table {
    database_name = local.database_name
    table_name    = module.delta_table[each.key].name
  }
}
