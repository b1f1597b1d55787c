# Invocations by EventBridge rules: on a schedule, or for events.

locals {
  here = "${data.aws_region.current.name}:${var.account_id}"

  # Built from its name, so that it is known at plan.
  arn = "arn:${data.aws_partition.current.partition}:lambda:${local.here}:function:${var.name}"
  rule_arns = {
    for name in keys(var.rules) : name => "arn:${data.aws_partition.current.partition}:events:${local.here}:rule/${var.name}-${name}"
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = var.rules

  name          = "${var.name}-${each.key}"
  description   = each.value.description
  event_pattern = each.value.event_pattern

  # EventBridge requires the singular unit for a rate of 1.
  schedule_expression = (
    each.value.every_minutes == null ? null : "rate(${each.value.every_minutes} ${each.value.every_minutes == 1 ? "minute" : "minutes"})"
  )
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = var.rules

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = "function"
  arn       = local.arn
  input     = each.value.input

  # Before that, EventBridge would be denied.
  depends_on = [aws_lambda_permission.rule]
}

# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
resource "aws_lambda_permission" "rule" {
  for_each = var.rules

  statement_id   = "${replace(title(replace(each.key, "-", " ")), " ", "")}RuleCalls"
  action         = "lambda:InvokeFunction"
  function_name  = local.arn
  principal      = "events.amazonaws.com"
  source_account = var.account_id
  source_arn     = local.rule_arns[each.key]

  depends_on = [aws_lambda_function.this]
}

# These invocations are asynchronous. An event that fails three times, or is older than six hours, is sent to the topic with
# the error: it can then be sent to the function again by hand.
# https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
resource "aws_lambda_function_event_invoke_config" "this" {
  count = length(var.rules) > 0 ? 1 : 0

  function_name                = aws_lambda_function.this.function_name
  maximum_event_age_in_seconds = 21600
  maximum_retry_attempts       = 2

  destination_config {
    on_failure {
      destination = var.topic_arn
    }
  }
}
