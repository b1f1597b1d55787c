output "database" {
  description = "Name of the database, once nothing made is open by default any more and deployers may make tables where their objects lie: make it and its tables under this name."
  value       = var.database
  depends_on  = [aws_lakeformation_data_lake_settings.this, aws_lakeformation_permissions.deploy_to]
}

output "reader_policy" {
  description = "Policy, in JSON, that every reader's and writer's role needs besides its grants."
  value       = data.aws_iam_policy_document.reader.json
}
