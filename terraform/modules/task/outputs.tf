output "alarms" {
  description = "Names of the alarms by short name."
  value       = { for short, alarm in aws_cloudwatch_metric_alarm.this : short => alarm.alarm_name }
}

output "cluster_name" {
  description = "Name of the cluster, which is that of the family of task definitions too."
  value       = aws_ecs_cluster.this.name
}

output "dead_letter_queue_url" {
  description = "URL of the dead-letter queue, if there is a queue."
  value       = one(aws_sqs_queue.dead_letter[*].url)
}

output "queue_url" {
  description = "URL of the queue, if there is one."
  value       = one(aws_sqs_queue.this[*].url)
}
