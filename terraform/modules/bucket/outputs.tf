output "arn" {
  description = "ARN of the bucket, once it is hardened."
  value       = local.arn
  depends_on  = [aws_s3_bucket_policy.this]
}

output "name" {
  description = "Name of the bucket, once it is hardened."
  value       = var.name
  depends_on  = [aws_s3_bucket_policy.this]
}
