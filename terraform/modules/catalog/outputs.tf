output "database" {
  description = "Name of the database, available once its tables and views exist."
  value       = var.database
  depends_on  = [aws_glue_catalog_table.table, aws_glue_catalog_table.view]
}
