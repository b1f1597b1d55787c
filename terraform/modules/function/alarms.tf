locals {
  # What a rule calls for is tried three times: a call that comes too early, and holds at the second try, is no trouble.
  # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
  is_tried_again = length(var.rules) > 0

  alarms_of_calls = {
    errors = {
      description = (
        local.is_tried_again
        ? "${var.name} failed three times at an event, and gave it up. A message holds the event and the error."
        : "Calls of ${var.name} failed as a whole: crashed, or ran out of time or memory."
      )
      namespace  = "AWS/Lambda"
      metric     = local.is_tried_again ? "AsyncEventsDropped" : "Errors"
      dimensions = { FunctionName = var.name }
      statistic  = "Sum"
      above      = 0
    }
    throttles = {
      description = "Calls of ${var.name} were refused: the account's concurrency is used up."
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      dimensions  = { FunctionName = var.name }
      statistic   = "Sum"
      above       = 0
    }
  }

  alarms_of_queue = var.queue == null ? {} : {
    dead-letters = {
      description = "Events that could not be handled wait in ${local.dead_letter_name}. They are not lost: mend the cause, then redrive them."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = local.dead_letter_name }
      statistic   = "Maximum"
      above       = 0
    }
    backlog = {
      description = "Events have waited in ${var.name} for over ${var.queue.age_seconds} s."
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = var.name }
      statistic   = "Maximum"
      above       = var.queue.age_seconds
    }
  }

  alarms_of_rules = {
    for name in keys(var.rules) : "${name}-undelivered" => {
      description = "Events of the rule ${var.name}-${name} do not reach ${var.name}: EventBridge may not call it."
      namespace   = "AWS/Events"
      metric      = "FailedInvocations"
      dimensions  = { RuleName = "${var.name}-${name}" }
      statistic   = "Sum"
      above       = 0
    }
  }

  # The most often that a rule calls the function, in minutes; null if none does so by the clock.
  every_minutes = try(min([for rule in var.rules : rule.every_minutes if rule.every_minutes != null]...), null)
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = merge(local.alarms_of_calls, local.alarms_of_queue, local.alarms_of_rules)

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}

# A function that is not called fails in nothing. Where nobody calls, there is no metric either.
resource "aws_cloudwatch_metric_alarm" "silent" {
  count = local.every_minutes == null ? 0 : 1

  alarm_name          = "${var.name}-silent"
  alarm_description   = "${var.name} is called every ${local.every_minutes} minutes, and three times nobody did."
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = var.name }
  statistic           = "Sum"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  period              = 60 * local.every_minutes
  evaluation_periods  = 3
  treat_missing_data  = "breaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}
