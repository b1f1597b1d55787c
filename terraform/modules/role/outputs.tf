output "arn" {
  description = "ARN of the role, once a policy may name it as a principal."
  value       = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:role/${var.name}"
  depends_on  = [aws_iam_role.this]
}

output "id" {
  description = "Id of the role as S3 names it in who wrote an object, AROA…; AWS chooses it."
  value       = aws_iam_role.this.unique_id
}

output "ready_arn" {
  description = "ARN of the role, once it has its policies and a service may work with it."
  value       = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:role/${var.name}"
  depends_on  = [aws_iam_role.this, aws_iam_role_policy.this, aws_iam_role_policy_attachment.this]
}
