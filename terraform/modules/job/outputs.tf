output "code_sha256" {
  description = "By script, the digest that stands in the lineage for it and the wheel."
  value       = local.code_sha256
}

output "names" {
  description = "Names of the jobs by their short names, once they may be started."
  value       = { for short in keys(var.jobs) : short => "${var.prefix}-${short}" }
  depends_on  = [aws_glue_job.this]
}
