output "alarm" {
  description = "Name of the alarm that tells of a silent scheduler."
  value       = aws_cloudwatch_metric_alarm.silent.alarm_name
}

output "role_arn" {
  description = "ARN of the role of environment and tasks, available once a policy may name it as a principal."
  value       = module.role.arn
}

output "webserver_url" {
  description = "Address of Airflow's pages, which can be reached from the subnets alone."
  value       = "https://${aws_mwaa_environment.this.webserver_url}"
}
