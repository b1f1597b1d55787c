output "alarms" {
  description = "Names of the alarms by short name."
  value = merge(
    { for short, alarm in aws_cloudwatch_metric_alarm.this : short => alarm.alarm_name },
    { for alarm in aws_cloudwatch_metric_alarm.silent : "silent" => alarm.alarm_name },
  )
}

output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "dead_letter_queue_url" {
  description = "URL of the dead-letter queue; null without a queue."
  value       = one(aws_sqs_queue.dead_letter[*].url)
}

output "queue_arn" {
  description = "ARN of the queue, available once buckets may notify it; null without a queue."
  value       = lookup(local.queue_arns, var.name, null)
  depends_on  = [aws_sqs_queue.this]
}

output "queue_url" {
  description = "URL of the queue; null without a queue."
  value       = one(aws_sqs_queue.this[*].url)
}
