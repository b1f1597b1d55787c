output "alarms" {
  description = "Names of the alarms by short name."
  value       = { emergency-role-used = aws_cloudwatch_metric_alarm.emergency_role.alarm_name }
}

output "arn" {
  description = "ARN of the trail, available once it is logging."
  value = join(":", [
    "arn", data.aws_partition.current.partition, "cloudtrail", data.aws_region.current.name, var.account_id,
    "trail/${var.name}",
  ])
  depends_on = [aws_cloudtrail.this]
}

output "log_group" {
  description = "Name of the log group."
  value       = local.log_group_name
  depends_on  = [aws_cloudwatch_log_group.this]
}
