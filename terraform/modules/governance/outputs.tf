output "database" {
  description = "Name of the database, available once default permissions are removed and deployers may create tables at the locations: create the database and its tables under this name."
  value       = var.database
  depends_on  = [aws_lakeformation_data_lake_settings.this, aws_lakeformation_permissions.deploy_to]
}

output "reader_policy" {
  description = "Policy, in JSON, that every reader's and writer's role needs in addition to its grants."
  value       = data.aws_iam_policy_document.reader.json
}
