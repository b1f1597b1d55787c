module "alerts" {
  source = "./modules/alerts"

  account_id      = var.account_id
  emails          = var.alert_emails
  finding_emails  = var.finding_emails
  key_window_days = var.retention.key_window_days
  prefix          = local.prefix
  publishers      = concat([module.auditor_role.arn], local.has_tables ? [module.gate_role[0].arn] : [])
}
