output "alarms" {
  description = "Names of the alarms by short name."
  value       = { for alarm in aws_cloudwatch_metric_alarm.emergency_role : "emergency-role-used" => alarm.alarm_name }
}

output "arn" {
  description = "ARN of the trail, available once it is logging."
  value = var.existing_arn != null ? var.existing_arn : join(":", [
    "arn", data.aws_partition.current.partition, "cloudtrail", data.aws_region.current.name, var.account_id,
    "trail/${var.name}",
  ])
  depends_on = [aws_cloudtrail.this]
}

output "event_selectors" {
  description = "What the trail logs, as JSON for aws cloudtrail put-event-selectors --advanced-event-selectors: what existing_arn must log, if it is given."
  value = jsonencode([
    for selector in local.selectors : {
      Name           = selector.name
      FieldSelectors = [for field in selector.fields : { Field = field.name, (field.operator) = field.values }]
    }
  ])
}

output "log_group" {
  description = "Name of the log group; null, if existing_arn is given."
  value       = var.existing_arn == null ? local.log_group_name : null
  depends_on  = [aws_cloudwatch_log_group.this]
}
