# Snowflake, into which custody warehouse loads gold tables, if the account has one.

module "warehouse" {
  source = "./modules/warehouse"
  count  = var.snowflake == null ? 0 : 1

  account_id         = var.account_id
  boundary_arn       = local.boundary_arns["service"]
  bucket_arns        = local.bucket_arns
  data_key_arn       = module.data_key.arn
  name               = local.prefix
  provenance_key_arn = module.provenance_key.arn
  run_by             = local.has_loader ? null : setunion(var.snowflake.run_by, var.orchestrator == null ? [] : [local.role_arns["orchestrator"]])

  alerts = {
    key_arn   = module.alerts.key_arn
    topic_arn = local.topic_arn
  }

  integration = {
    external_id  = var.snowflake.external_id
    iam_user_arn = var.snowflake.iam_user_arn
  }

  secret = {
    deployers     = var.operators.deploy
    key_writers   = var.operators.data
    recovery_days = var.retention.key_window_days
  }
}

# The task that loads. An orchestrator starts it, once the tables are verified. Where there is none, the end of a gold table's job
# does, and once a day a schedule, to tell what Snowflake says of loads: not after each load, or all would be told many times.
module "loader" {
  source = "./modules/task"
  count  = local.has_loader ? 1 : 0

  account_id         = var.account_id
  boundary_arn       = local.boundary_arns["service"]
  image              = var.snowflake.task.image
  key_arn            = module.provenance_key.arn
  log_retention_days = var.retention.log_days
  name               = local.loader_name
  network            = var.snowflake.task.network
  task_role_arn      = module.warehouse[0].loader_role_ready_arn
  topic_arn          = module.alerts.topic_arn

  environment = {
    AWS_DEFAULT_REGION = var.region
    CUSTODY_DEPLOYMENT = "s3://${local.bucket_names["artifacts"]}/${local.deployment_key}"
  }

  start = {
    event = var.orchestrator != null ? null : {
      argument = "$.detail.jobName"
      pattern = jsonencode({
        source      = ["aws.glue"]
        detail-type = ["Glue Job State Change"]
        detail      = { jobName = [{ prefix = "${local.prefix}-processed-to-analytics-" }], state = ["SUCCEEDED"] }
      })
    }
    every_minutes = var.orchestrator != null ? null : 24 * 60
  }
}

locals {
  has_loader  = var.snowflake == null ? false : var.snowflake.task != null
  loader_name = "${local.prefix}-loader"


  # Names of all objects in Snowflake begin with the prefix, in capitals.
  snowflake = var.snowflake == null ? {} : {
    account              = var.snowflake.account
    external_id          = var.snowflake.external_id
    integration_role_arn = module.warehouse[0].integration_role_arn
    name                 = upper(replace(local.prefix, "-", "_"))
    secret_arn           = module.warehouse[0].secret_arn
    stage_url            = "s3://${local.bucket_names["analytics"]}/tables/"
  }
}
