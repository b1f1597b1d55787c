# Snowflake, into which custody warehouse loads gold tables, if the account has one.

module "warehouse" {
  source = "./modules/warehouse"
  count  = var.snowflake == null ? 0 : 1

  account_id         = var.account_id
  boundary_arn       = local.boundary_arns["service"]
  bucket_arns        = local.bucket_arns
  data_key_arn       = module.data_key.arn
  deployers          = var.operators.deploy
  external_id        = var.snowflake.external_id
  iam_user_arn       = var.snowflake.iam_user_arn
  key_writers        = var.operators.data
  name               = local.prefix
  provenance_key_arn = module.provenance_key.arn
  recovery_days      = var.retention.key_window_days
  run_by             = setunion(var.snowflake.run_by, var.orchestrator == null ? [] : [local.role_arns["orchestrator"]])
}

locals {
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
