output "name" {
  description = "Name of the table, once the catalogue has it."
  value       = aws_glue_catalog_table.this.name
}
