output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.this.arn
}

output "dead_letter_queue_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.url
}

output "queue_arn" {
  description = "ARN of the queue, once buckets may notify it."
  value       = local.queue_arns[var.name]
  depends_on  = [aws_sqs_queue.this]
}

output "queue_url" {
  description = "URL of the queue."
  value       = aws_sqs_queue.this.url
}
