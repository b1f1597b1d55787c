output "arn" {
  description = "ARN of the role, available once a policy may name it as a principal."
  value       = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:role/${var.name}"
  depends_on  = [aws_iam_role.this]
}

output "id" {
  description = "Unique id of the role (AROA…), with which S3 names the writer of an object; AWS assigns it."
  value       = aws_iam_role.this.unique_id
}

output "ready_arn" {
  description = "ARN of the role, available once its policies are attached and a service can use it."
  value       = "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:role/${var.name}"
  depends_on  = [aws_iam_role.this, aws_iam_role_policy.this, aws_iam_role_policy_attachment.this]
}
