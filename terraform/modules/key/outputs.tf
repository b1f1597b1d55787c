output "alias" {
  description = "Alias of the key, known before the key is."
  value       = "alias/${var.name}"
  depends_on  = [aws_kms_alias.this]
}

output "arn" {
  description = "ARN of the key. Its id is random: known once it exists."
  value       = aws_kms_key.this.arn
}
