output "alarms" {
  description = "Names of the alarms by short name."
  value       = { for short, alarm in aws_cloudwatch_metric_alarm.this : short => alarm.alarm_name }
}

output "arn" {
  description = "ARN of the stream."
  value       = aws_kinesis_firehose_delivery_stream.this.arn
}

output "name" {
  description = "Name of the stream."
  value       = aws_kinesis_firehose_delivery_stream.this.name
}
