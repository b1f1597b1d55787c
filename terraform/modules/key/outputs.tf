output "arn" {
  description = "ARN of the key. Its id is random and known after apply."
  value       = aws_kms_key.this.arn
}
