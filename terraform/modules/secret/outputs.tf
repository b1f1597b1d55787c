output "alarms" {
  description = "Names of the rotator's alarms by short name."
  value       = module.rotator.alarms
}

output "arn" {
  description = "ARN of the secret, which has a random suffix. The secret has a value once its first rotation is done, within seconds."
  value       = aws_secretsmanager_secret.this.arn
  depends_on  = [aws_secretsmanager_secret_rotation.this]
}

output "function_arn" {
  description = "ARN of the rotator."
  value       = module.rotator.arn
}

output "key_arn" {
  description = "ARN of the key that encrypts the secret."
  value       = module.key.arn
}
