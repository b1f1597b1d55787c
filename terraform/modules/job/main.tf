# One for all jobs: it encrypts what they write, their logs, and bookmarks, which they do not use.
# https://docs.aws.amazon.com/glue/latest/dg/encryption-security-configuration.html
resource "aws_glue_security_configuration" "this" {
  name = "${var.prefix}-jobs"

  encryption_configuration {
    cloudwatch_encryption {
      cloudwatch_encryption_mode = "SSE-KMS"
      kms_key_arn                = var.key_arn
    }

    job_bookmarks_encryption {
      job_bookmarks_encryption_mode = "CSE-KMS"
      kms_key_arn                   = var.key_arn
    }

    s3_encryption {
      s3_encryption_mode = "SSE-KMS"
      kms_key_arn        = var.key_arn
    }
  }
}

locals {
  # By role; of jobs alone, since an ARN may not be known yet.
  other_roles = toset([for job in values(var.jobs) : job.role.name if job.role != null])
  log_groups = merge(
    { for stream in ["error", "output"] : stream => "${basename(var.role_arn)}/${stream}" if anytrue([for job in values(var.jobs) : job.role == null]) },
    { for path in [for pair in setproduct(local.other_roles, ["error", "output"]) : join("/", pair)] : path => path },
  )
}

# Otherwise Glue creates them itself, without retention. Glue sets the names for jobs with a security configuration.
# https://docs.aws.amazon.com/glue/latest/dg/monitor-continuous-logging.html
resource "aws_cloudwatch_log_group" "this" {
  for_each = local.log_groups

  name              = "/aws-glue/jobs/${var.prefix}-jobs-role/${each.value}"
  kms_key_id        = var.key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_glue_job" "this" {
  for_each = var.jobs

  name                   = "${var.prefix}-${each.key}"
  description            = each.value.description
  role_arn               = each.value.role == null ? var.role_arn : each.value.role.arn
  connections            = length(var.connections) > 0 ? var.connections : null
  glue_version           = "5.1"
  execution_class        = "STANDARD"
  worker_type            = coalesce(each.value.size, var.size).worker_type
  number_of_workers      = coalesce(each.value.size, var.size).workers
  timeout                = coalesce(each.value.size, var.size).timeout_minutes
  security_configuration = aws_glue_security_configuration.this.name

  # Glue does not retry; the gate starts a job again: after a failure there may be something else to do first.
  max_retries = 0

  # A table has only one writer.
  execution_property {
    max_concurrent_runs = 1
  }

  command {
    name            = "glueetl"
    python_version  = "3"
    script_location = "s3://${aws_s3_object.script[each.value.script].bucket}/${aws_s3_object.script[each.value.script].key}"
  }

  # https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html
  default_arguments = merge({ for name, value in each.value.arguments : "--${name}" => value }, {
    "--code_sha256"         = local.code_sha256[each.value.script]
    "--contracts"           = "s3://${var.code.bucket}/${local.contracts_prefix}"
    "--job-bookmark-option" = "job-bookmark-disable"
    "--job-language"        = "python"

    # Only the wheel: its dependencies are part of Glue, and packages from an index would not be reviewed.
    "--additional-python-modules"       = "s3://${aws_s3_object.wheel.bucket}/${aws_s3_object.wheel.key}"
    "--python-modules-installer-option" = "--no-deps --no-index"

    # https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-format-delta-lake.html
    "--datalake-formats" = "delta"
    "--conf" = join(" --conf ", [
      "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension",
      "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog",
      "spark.delta.logStore.class=org.apache.spark.sql.delta.storage.S3SingleDriverLogStore",
    ])
  })

  # Otherwise Glue creates them itself.
  depends_on = [aws_cloudwatch_log_group.this]
}

resource "aws_cloudwatch_event_rule" "failed" {
  name        = "${var.prefix}-job-failed"
  description = "A job of ${var.prefix} did not succeed"

  # https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html
  event_pattern = jsonencode({
    source      = ["aws.glue"]
    detail-type = ["Glue Job State Change"]
    detail = {
      jobName = [for kind in values(local.kinds) : { prefix = "${var.prefix}-${kind}-" }]
      state   = ["ERROR", "FAILED", "STOPPED", "TIMEOUT"]
    }
  })
}

# As JSON, because a message may contain quotes and line breaks.
resource "aws_cloudwatch_event_target" "failed" {
  rule      = aws_cloudwatch_event_rule.failed.name
  target_id = "alerts"
  arn       = var.topic_arn

  input_transformer {
    input_paths = {
      job     = "$.detail.jobName"
      message = "$.detail.message"
      run     = "$.detail.jobRunId"
      state   = "$.detail.state"
    }
    input_template = "{\"what\": \"A job of ${var.prefix} did not succeed\", \"job\": <job>, \"state\": <state>, \"message\": <message>, \"run\": <run>}"
  }
}
