output "arn" {
  description = "ARN of the bucket, available once its protections are in place."
  value       = local.arn
  depends_on  = [aws_s3_bucket_policy.this]
}

output "name" {
  description = "Name of the bucket, available once its protections are in place."
  value       = var.name
  depends_on  = [aws_s3_bucket_policy.this]
}
