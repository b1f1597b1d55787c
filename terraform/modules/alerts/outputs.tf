output "key_arn" {
  description = "ARN of the topic's key."
  value       = module.key.arn
}

output "topic_arn" {
  description = "ARN of the topic, available once alarms and rules may publish to it."
  value       = local.arn
  depends_on  = [aws_sns_topic.this]
}
