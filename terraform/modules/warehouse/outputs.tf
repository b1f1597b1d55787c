output "integration_role_arn" {
  description = "ARN of the role with which Snowflake reads gold."
  value       = module.integration_role.arn
}

output "key_arn" {
  description = "ARN of the key that encrypts the secret."
  value       = module.key.arn
}

output "loader_role_arn" {
  description = "ARN of the role for whoever loads, for policies that name it."
  value       = module.loader_role.arn
}

output "loader_role_ready_arn" {
  description = "The same, available once it has its policies: for what runs with it."
  value       = module.loader_role.ready_arn
}

output "secret_arn" {
  description = "ARN of the secret, which has a random suffix. It has no value until somebody stores one."
  value       = aws_secretsmanager_secret.private_key.arn
}
