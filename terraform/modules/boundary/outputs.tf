output "arn" {
  description = "ARN of the boundary, once a role may have it."
  value       = local.arns[var.purpose]
  depends_on  = [aws_iam_policy.this]
}
