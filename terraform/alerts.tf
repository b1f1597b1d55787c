module "alerts" {
  source = "./modules/alerts"

  account_id      = var.account_id
  emails          = var.alert_emails
  key_window_days = var.retention.key_window_days
  prefix          = local.prefix
  publishers      = [module.auditor_role.arn, module.gate_role.arn]
}
