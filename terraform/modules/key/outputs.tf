output "arn" {
  description = "ARN of the key. Its id is random: known once it exists."
  value       = aws_kms_key.this.arn
}
