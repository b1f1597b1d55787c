output "name" {
  description = "Name of the workgroup, available once its saved queries exist."
  value       = var.name
  depends_on  = [aws_athena_workgroup.this, aws_athena_named_query.this]
}
