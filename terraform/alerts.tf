module "alerts" {
  source = "./modules/alerts"

  account_id      = var.account_id
  emails          = var.alert_emails
  finding_emails  = var.finding_emails
  key_window_days = var.retention.key_window_days
  prefix          = local.prefix
  publishers      = concat([module.auditor_role.arn], local.has_tables ? [module.gate_role[0].arn] : [], local.orchestrator_role_arns, var.snowflake == null ? [] : [module.warehouse[0].loader_role_arn])
}

locals {
  evidence_at_risk = {
    forged     = concat(values(module.trail.alarms), [for name, alarm in aws_cloudwatch_metric_alarm.gate : alarm.alarm_name if name == "documents-refused"])
    not_made   = concat([for short in ["backlog", "dead-letters", "errors"] : module.recorder.alarms[short]], flatten([for hasher in module.hasher : values(hasher.alarms)]))
    not_sealed = concat([for short in ["backlog", "dead-letters", "errors", "silent"] : module.sealer.alarms[short]], [aws_cloudwatch_metric_alarm.checkpoint_age.alarm_name])
    unwatched  = [for short in ["errors", "schedule-undelivered", "silent"] : module.auditor.alarms[short]]
  }
}

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html
resource "aws_cloudwatch_composite_alarm" "evidence_at_risk" {
  alarm_name        = "${local.prefix}-evidence-at-risk"
  alarm_description = "Evidence of ${local.prefix} may be lost, forged or not made: one of the alarms of recorder, sealer, gate, auditor or emergency role that say so is on. The message names it."
  alarm_rule        = join(" OR ", [for name in flatten(values(local.evidence_at_risk)) : "ALARM(\"${name}\")"])
  alarm_actions     = [module.alerts.topic_arn]
  ok_actions        = [module.alerts.topic_arn]
}
