mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  code               = { bucket = "custody-test-artifacts-123456789012", folder = "./tests/glue", wheel_folder = "./tests/dist" }
  contracts          = { it = "{\"table\": \"it\", \"meaning\": \"It.\"}" }
  key_arn            = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890ab"
  log_retention_days = 90
  prefix             = "custody-test"
  role_arn           = "arn:aws:iam::123456789012:role/custody-test-etl"
  size               = { timeout_minutes = 60, worker_type = "G.1X", workers = 2 }
  topic_arn          = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts"

  jobs = {
    it-now = { arguments = { tables = "s3://custody-test-processed-123456789012/tables" }, description = "Makes it", script = "it.py" }
  }
}

run "runs_reviewed_code_once_at_a_time_encrypts_and_tells_what_failed" {
  assert {
    condition = (
      aws_s3_object.wheel.key == "glue/${filesha256("./tests/dist/custody-1.0-py3-none-any.whl")}/custody-1.0-py3-none-any.whl"
      && aws_s3_object.script["it.py"].key == "glue/${filesha256("./tests/glue/it.py")}/it.py"
    )
    error_message = "Wheel and script lie under their own digests."
  }

  assert {
    condition     = aws_s3_object.contract["it"].key == "glue/quality/it.json" && jsondecode(aws_s3_object.contract["it"].content) == { table = "it", meaning = "It." }
    error_message = "Contracts are there as JSON."
  }

  assert {
    condition = aws_glue_job.this["it-now"].default_arguments == tomap({
      "--additional-python-modules"       = "s3://custody-test-artifacts-123456789012/${aws_s3_object.wheel.key}"
      "--code_sha256"                     = output.code_sha256["it.py"]
      "--conf"                            = "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension --conf spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog --conf spark.delta.logStore.class=org.apache.spark.sql.delta.storage.S3SingleDriverLogStore"
      "--contracts"                       = "s3://custody-test-artifacts-123456789012/glue/quality"
      "--datalake-formats"                = "delta"
      "--job-bookmark-option"             = "job-bookmark-disable"
      "--job-language"                    = "python"
      "--python-modules-installer-option" = "--no-deps --no-index"
      "--tables"                          = "s3://custody-test-processed-123456789012/tables"
    })
    error_message = "A job gets its code and its arguments, and installs nothing from an index."
  }

  # printf '%s\n' <wheel's digest> <script's digest> | sha256sum
  assert {
    condition     = output.code_sha256["it.py"] == "665eb3a8961308346a92338a243d788ee81911f01b03dfb99a46493db2d92afa"
    error_message = "The digest in the lineage is that of wheel and script, in this order."
  }

  assert {
    condition = (
      aws_glue_job.this["it-now"].command[0].script_location == "s3://custody-test-artifacts-123456789012/${aws_s3_object.script["it.py"].key}"
      && aws_glue_job.this["it-now"].glue_version == "5.1" && aws_glue_job.this["it-now"].command[0].python_version == "3"
    )
    error_message = "The job runs that script on Glue 5.1."
  }

  assert {
    condition     = aws_glue_job.this["it-now"].execution_property[0].max_concurrent_runs == 1 && aws_glue_job.this["it-now"].max_retries == 0
    error_message = "A job has at most one concurrent run, and Glue does not retry it."
  }

  assert {
    condition = (
      aws_glue_job.this["it-now"].security_configuration == "custody-test-jobs"
      && aws_glue_security_configuration.this.encryption_configuration[0].s3_encryption[0].s3_encryption_mode == "SSE-KMS"
      && aws_glue_security_configuration.this.encryption_configuration[0].cloudwatch_encryption[0].cloudwatch_encryption_mode == "SSE-KMS"
      && aws_glue_security_configuration.this.encryption_configuration[0].job_bookmarks_encryption[0].job_bookmarks_encryption_mode == "CSE-KMS"
    )
    error_message = "All that the job writes is encrypted under the key."
  }

  assert {
    condition = { for name, group in aws_cloudwatch_log_group.this : name => [group.name, group.kms_key_id] } == {
      error  = ["/aws-glue/jobs/custody-test-jobs-role/custody-test-etl/error", var.key_arn]
      output = ["/aws-glue/jobs/custody-test-jobs-role/custody-test-etl/output", var.key_arn]
    }
    error_message = "The logs are where Glue writes them, under the key."
  }

  assert {
    condition = jsondecode(aws_cloudwatch_event_rule.failed.event_pattern).detail == {
      jobName = [{ prefix = "custody-test-it-" }]
      state   = ["ERROR", "FAILED", "STOPPED", "TIMEOUT"]
    }
    error_message = "Every run of a job that does not succeed is reported."
  }

  assert {
    condition     = output.names == { it-now = "custody-test-it-now" }
    error_message = "Jobs are named after the prefix."
  }
}

# A run takes seconds: each of the following tests as many refusals as possible at once, one wrong value per variable.

run "refuses_a_wheel_that_is_not_built_and_what_is_not_there" {
  command = plan
  variables {
    code     = { bucket = "custody-test-artifacts-123456789012", folder = "./tests/glue", wheel_folder = "./tests/none" }
    prefix   = "Custody"
    role_arn = "custody-test-etl"
    size     = { timeout_minutes = 0, worker_type = "G.1X", workers = 2 }
  }
  expect_failures = [var.code, var.prefix, var.role_arn, var.size]
}

run "refuses_the_parameters_that_are_the_modules_and_too_few_workers" {
  command = plan
  variables {
    jobs = { it-now = { arguments = { code_sha256 = "0" }, description = "Makes it", script = "it.py" } }
    size = { timeout_minutes = 60, worker_type = "G.1X", workers = 1 }
  }
  expect_failures = [var.jobs, var.size]
}

run "refuses_a_script_that_is_not_there_and_other_workers" {
  command = plan
  variables {
    jobs = { that-now = { arguments = {}, description = "Makes it", script = "that.py" } }
    size = { timeout_minutes = 60, worker_type = "Z.2X", workers = 2 }
  }
  expect_failures = [var.jobs, var.size]
}

run "refuses_a_job_that_is_not_named_after_its_script" {
  command = plan
  variables {
    jobs = { that = { arguments = {}, description = "Makes it", script = "it.py" } }
  }
  expect_failures = [var.jobs]
}

run "refuses_no_jobs" {
  command = plan
  variables {
    jobs = {}
  }
  expect_failures = [var.jobs]
}

run "gives_a_job_the_role_and_the_size_that_it_names" {
  variables {
    jobs = {
      it-large = {
        arguments   = {}
        description = "Makes it large"
        role        = { arn = "arn:aws:iam::123456789012:role/custody-test-other", name = "custody-test-other" }
        script      = "it.py"
        size        = { timeout_minutes = 600, worker_type = "G.2X", workers = 9 }
      }
      it-now = { arguments = {}, description = "Makes it", script = "it.py" }
    }
  }

  assert {
    condition = { for short, job in aws_glue_job.this : short => [job.role_arn, job.worker_type, job.number_of_workers, job.timeout] } == {
      it-large = ["arn:aws:iam::123456789012:role/custody-test-other", "G.2X", 9, 600]
      it-now   = [var.role_arn, "G.1X", 2, 60]
    }
    error_message = "What a job does not name is that of all."
  }

  assert {
    condition = toset([for group in aws_cloudwatch_log_group.this : group.name]) == toset([
      for pair in setproduct(["custody-test-etl", "custody-test-other"], ["error", "output"]) : "/aws-glue/jobs/custody-test-jobs-role/${pair[0]}/${pair[1]}"
    ])
    error_message = "Each role has log groups, which Glue would make without retention."
  }
}

run "has_log_groups_of_the_roles_that_jobs_have_and_no_others" {
  variables {
    role_arn = null
    jobs = {
      it-large = {
        arguments   = {}
        description = "Makes it large"
        role        = { arn = "arn:aws:iam::123456789012:role/custody-test-other", name = "custody-test-other" }
        script      = "it.py"
      }
    }
  }

  assert {
    condition     = [for group in values(aws_cloudwatch_log_group.this) : basename(dirname(group.name))] == ["custody-test-other", "custody-test-other"]
    error_message = "Two groups of one name cannot be made."
  }
}

run "refuses_a_job_without_a_role" {
  command = plan

  variables {
    role_arn = null
  }

  expect_failures = [var.jobs]
}
