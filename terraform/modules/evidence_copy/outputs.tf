output "evidence_copy" {
  description = "The input evidence_copy of the deployment: the bucket's name, and the ARN of its key, which says its account and Region."
  value       = { bucket = module.copy.name, key_arn = module.key.arn }
}
