output "name" {
  description = "Name of the table, available once it is in the Data Catalog."
  value       = aws_glue_catalog_table.this.name
}
