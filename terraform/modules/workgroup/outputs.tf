output "alarms" {
  description = "Names of the alarms, by what they are about."
  value       = { for short, alarm in aws_cloudwatch_metric_alarm.this : short => alarm.alarm_name }
}

output "name" {
  description = "Name of the workgroup, available once its saved queries exist."
  value       = var.name
  depends_on  = [aws_athena_workgroup.this, aws_athena_named_query.this]
}
