output "code_sha256" {
  description = "By script, the digest of the script and the wheel that the lineage names."
  value       = local.code_sha256
}

output "failed_rule" {
  description = "Name of the rule that tells of runs that did not succeed."
  value       = aws_cloudwatch_event_rule.failed.name
}

output "names" {
  description = "Names of the jobs by short name, available once they may be started."
  value       = { for short in keys(var.jobs) : short => "${var.prefix}-${short}" }
  depends_on  = [aws_glue_job.this]
}
