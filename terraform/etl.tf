# ETL: the jobs that read arrived objects and write tables, and the gate, which gives them verified versions only. Only the
# gate starts them.

locals {
  # A silver table is made from what arrives under a prefix, a gold table from silver ones; each by a job of its own.
  silver_jobs = { for table in keys(local.silver_tables) : table => "raw-to-processed-${replace(table, "_", "-")}" }
  gold_jobs   = { for table in keys(local.gold_tables) : table => "processed-to-analytics-${replace(table, "_", "-")}" }

  has_jobs  = local.has_tables || var.verify_objects != null
  job_names = { for short in concat(values(local.silver_jobs), values(local.gold_jobs)) : short => "${local.prefix}-${short}" }
  job_arns = {
    for short, name in local.job_names : short => "arn:${local.partition}:glue:${var.region}:${var.account_id}:job/${name}"
  }

  # What the gate is told of the tables: packed, since a function's environment has 4 KB.
  packed_tables = base64gzip(jsonencode({
    gold = [
      for table, inputs in local.gold_tables : { table = table, job = local.job_names[local.gold_jobs[table]], inputs = join(",", inputs) }
    ]
    silver = [
      for table, prefix in local.silver_tables : { table = table, job = local.job_names[local.silver_jobs[table]], prefix = prefix }
    ]
  }))
}

locals {
  # Whose decisions count, by role id. Identity Center creates its roles after Terraform has run, with ids that cannot be known
  # beforehand: there the gate relies on the bucket policy, which names who creates decisions.
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

  # Without it, S3 returns 403 instead of 404 for a missing receipt. It cannot be limited to a prefix: GetObject has no
  # s3:prefix.
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

  # The manifests it has written, the lineage of finished jobs, and decisions about withheld objects.
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

# Whoever starts a job can choose, by its arguments, the code that runs in the jobs' role: so only the gate may.
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
  count  = local.has_tables ? 1 : 0

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Checks the receipts of ${local.prefix} before a job reads the objects"
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
  count  = local.has_tables ? 1 : 0

  account_id         = var.account_id
  key_arn            = module.provenance_key.arn
  log_retention_days = var.retention.log_days
  name               = local.function_names["gate"]
  role_arn           = module.gate_role[0].ready_arn
  topic_arn          = module.alerts.topic_arn
  vpc                = local.function_vpc

  # One full vCPU and Lambda's maximum timeout: after an outage there are many receipts to check.
  size = { memory_mb = 1769, timeout_seconds = 900 }

  code = {
    bucket   = module.artifacts.name
    handler  = "gate.handler.handler"
    zip_path = "${path.root}/../build/lambda/gate.zip"
  }

  environment = {
    ANALYTICS_BUCKET             = local.bucket_names["analytics"]
    DECIDER_ROLE_IDS             = local.decider_role_ids
    ETL_ROLE_ID                  = module.etl_role[0].id
    GATE_ROLE_ID                 = module.gate_role[0].id
    POWERTOOLS_LOG_LEVEL         = "INFO"
    POWERTOOLS_METRICS_NAMESPACE = local.metrics_namespace
    POWERTOOLS_SERVICE_NAME      = "gate"
    PROCESSED_BUCKET             = local.bucket_names["processed"]
    PROVENANCE_BUCKET            = local.bucket_names["provenance"]
    RAW_BUCKET                   = local.bucket_names["raw-data"]
    SCHEDULE_MINUTES             = tostring(var.etl.schedule_minutes)
    TABLES                       = local.packed_tables
    TOPIC_ARN                    = local.topic_arn
    WATERMARK_MINUTES            = tostring(var.watermark_minutes)
  }

  rules = {
    schedule = {
      description   = "Looks for newly recorded versions and hands them to the silver jobs"
      every_minutes = var.etl.schedule_minutes
      input         = jsonencode({})
    }
    # A Glue conditional trigger waits only for jobs that were started by triggers. A pattern (2048 characters) is too small to
    # name every table's.
    silver-done = {
      description = "Starts the gold jobs once what a silver job has published is recorded"
      event_pattern = jsonencode({
        source      = ["aws.glue"]
        detail-type = ["Glue Job State Change"]
        detail      = { jobName = [{ prefix = "${local.prefix}-raw-to-processed-" }], state = ["SUCCEEDED"] }
      })
    }
  }
}

# The alarm stays on as long as there is such a version: the gate's own message names the new ones, once.
resource "aws_cloudwatch_metric_alarm" "versions_withheld" {
  count = local.has_tables ? 1 : 0

  alarm_name          = "${local.function_names["gate"]}-versions-withheld"
  alarm_description   = "Object versions of ${local.prefix} are withheld: they have no valid receipt, or do not meet their contract. The gate's messages and its log name them."
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

# A job that fails has an alarm of its own: these are what the gate measures.
resource "aws_cloudwatch_metric_alarm" "gate" {
  for_each = !local.has_tables ? {} : {
    # What the latest runs put into quarantine. The alarm is about one delivery, and clears by itself.
    rows-rejected = {
      metric      = "RowsRejected"
      threshold   = 0
      description = "Rows delivered to ${local.prefix} do not meet their contract. They are in quarantine, each with its reason: see the tables …_rejected."
    }
    # Schema drift that rejects nothing: told once for each column, since the jobs keep which ones they have seen.
    new-columns = {
      metric      = "NewColumns"
      threshold   = 0
      description = "What was delivered to ${local.prefix} has columns that no contract lists, and had none of that name before. Their values are kept in the column extra, or their rows rejected, as the contract says. The gate's log names them."
    }
    # A writer below _lineage/, _seen/ or decisions/ that is not the expected one has tried to mislead the gate.
    documents-refused = {
      metric      = "DocumentsRefused"
      threshold   = 0
      description = "The gate of ${local.prefix} refuses lineage documents, summaries or decisions: their receipts are not valid, or name a writer that is not allowed. Its log names them."
    }
    # What does not move, whatever the reason.
    table-stale = {
      metric      = "TableWait"
      threshold   = 3600 * var.etl.stale_hours
      description = "A table of ${local.prefix} has not taken what it was to be made of for over ${var.etl.stale_hours} hours: whoever reads it reads old data. custody doctor says which table, and what it waits for."
    }
    job-slow = {
      metric      = "JobRunTime"
      threshold   = 0.8 * 60 * var.etl.timeout_minutes
      description = "A job run of ${local.prefix} takes over 80 % of its timeout of ${var.etl.timeout_minutes} minutes: AWS Glue soon stops it, and its table stays as it was."
    }
  }

  alarm_name          = "${local.function_names["gate"]}-${each.key}"
  alarm_description   = each.value.description
  namespace           = local.metrics_namespace
  metric_name         = each.value.metric
  dimensions          = { service = "gate" }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 60 * var.etl.schedule_minutes
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [module.alerts.topic_arn]
  ok_actions          = [module.alerts.topic_arn]
}

data "aws_iam_policy_document" "etl_objects" {
  # By version only: the latest version of a key may not be verified.
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

  # A Delta table is its files and their log: a writer must read it too.
  statement {
    sid       = "ReadAndWriteTables"
    actions   = ["s3:GetObject", "s3:PutObject"]
    resources = [for short in ["analytics", "processed"] : "${local.bucket_arns[short]}/tables/*"]
  }

  # Delta requests the next file of its log and needs 404, not 403, if there is none; and the job names and leaves out a version
  # of the manifest that no longer exists. It cannot be limited to a prefix: GetObject has no s3:prefix.
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
  # Glue creates its log groups and sets their key in each run, in the job's role; without this it logs nothing.
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
  count  = local.has_tables ? 1 : 0

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Makes tables from the objects that arrived in ${local.prefix}"
  name         = local.role_names["etl"]

  # A trust policy (2048 characters) is too small to name every table's job.
  trust = {
    service = {
      match = "like"
      name  = "glue.amazonaws.com"
      source_arns = [
        for kind in ["processed-to-analytics", "raw-to-processed"] :
        "arn:${local.partition}:glue:${var.region}:${var.account_id}:job/${local.prefix}-${kind}-*"
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
  count  = local.has_jobs ? 1 : 0

  connections        = [for connection in aws_glue_connection.jobs : connection.name]
  key_arn            = module.data_key.arn
  log_retention_days = var.retention.log_days
  prefix             = local.prefix
  role_arn           = one(module.etl_role[*].ready_arn)
  size               = var.etl
  topic_arn          = module.alerts.topic_arn

  code = {
    bucket       = module.artifacts.name
    folder       = "${path.root}/../glue"
    wheel_folder = "${path.root}/../build/dist"
  }

  # A gold table's SELECT or function goes with its contract, and so into the digest that the lineage has of it.
  contracts = { for table, contract in local.contracts : table => jsonencode(merge(contract, lookup(local.makers, table, {}))) }

  jobs = merge(
    {
      for table, short in local.silver_jobs : short => {
        description = "Makes the silver table ${table} from the versions that the gate has verified"
        script      = "raw_to_processed.py"
        arguments = {
          contract_sha256 = sha256(jsonencode(local.contracts[table])) # for custody table reprocess
          tables          = "s3://${local.bucket_names["processed"]}/tables"
        }
      }
    },
    {
      for table, short in local.gold_jobs : short => {
        description = "Makes the gold table ${table} from silver tables"
        script      = "processed_to_analytics.py"
        arguments = {
          analytics = "s3://${local.bucket_names["analytics"]}/tables"
          processed = "s3://${local.bucket_names["processed"]}/tables"
          table     = table
        }
      }
    },
    local.verifier_jobs,
  )
}

# The contracts' rules as Glue Data Quality rulesets, so that the tables can be evaluated at any time; the jobs check what
# they publish against the contracts themselves.
resource "aws_glue_data_quality_ruleset" "contract" {
  for_each = local.contracts

  name        = "${local.prefix}-${replace(each.key, "_", "-")}"
  description = each.value.meaning
  ruleset     = local.rulesets[each.key]

  target_table {
    database_name = local.database_name
    table_name    = module.delta_table[each.key].name
  }
}

# Each was there always, before there could be deployments without tables.
moved {
  from = module.gate_role
  to   = module.gate_role[0]
}

moved {
  from = module.gate
  to   = module.gate[0]
}

moved {
  from = module.etl_role
  to   = module.etl_role[0]
}

moved {
  from = module.jobs
  to   = module.jobs[0]
}

moved {
  from = aws_cloudwatch_metric_alarm.rows_rejected[0]
  to   = aws_cloudwatch_metric_alarm.gate["rows-rejected"]
}

moved {
  from = aws_cloudwatch_metric_alarm.documents_refused[0]
  to   = aws_cloudwatch_metric_alarm.gate["documents-refused"]
}
