output "integration_role_arn" {
  description = "ARN of the role with which Snowflake reads gold."
  value       = module.integration_role.arn
}

output "key_arn" {
  description = "ARN of the key that encrypts the secret."
  value       = module.key.arn
}

output "loader_role_arn" {
  description = "ARN of the role for whoever loads."
  value       = module.loader_role.arn
}

output "secret_arn" {
  description = "ARN of the secret, which has a random suffix. It has no value until somebody stores one."
  value       = aws_secretsmanager_secret.private_key.arn
}
