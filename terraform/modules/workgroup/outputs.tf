output "name" {
  description = "Name of the workgroup, once its saved queries are there."
  value       = var.name
  depends_on  = [aws_athena_workgroup.this, aws_athena_named_query.this]
}
