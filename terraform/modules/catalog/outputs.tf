output "database" {
  description = "Name of the database, once its tables and views are there."
  value       = var.database
  depends_on  = [aws_glue_catalog_table.table, aws_glue_catalog_table.view]
}
