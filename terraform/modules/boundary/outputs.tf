output "arn" {
  description = "ARN of the boundary, available once a role may use it."
  value       = local.arns[var.purpose]
  depends_on  = [aws_iam_policy.this]
}
