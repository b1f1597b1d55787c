output "role_patterns" {
  description = "Patterns of the ARNs of the roles that Identity Center makes, by persona: their names end in a hash of its own."
  value = {
    for name in keys(var.personas) : name =>
    "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_${var.prefix}-${name}_*"
  }
}
