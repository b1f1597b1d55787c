output "role_patterns" {
  description = "ARN patterns of the roles that Identity Center creates, by persona: their names have a random suffix."
  value = {
    for name in keys(var.personas) : name =>
    "arn:${data.aws_partition.current.partition}:iam::${var.account_id}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_${var.prefix}-${name}_*"
  }
}
