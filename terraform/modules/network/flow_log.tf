# All connections in the network, rejected ones too.

resource "aws_cloudwatch_log_group" "flow" {
  name              = "/aws/vpc/${var.name}"
  kms_key_id        = var.flow_log.key_arn
  retention_in_days = var.flow_log.retention_days
}

# https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-cwl.html
resource "aws_flow_log" "this" {
  vpc_id                   = aws_vpc.this.id
  traffic_type             = "ALL"
  iam_role_arn             = var.flow_log.role_arn
  log_destination          = aws_cloudwatch_log_group.flow.arn
  max_aggregation_interval = 60

  tags = { Name = var.name }
}
