locals {
  # Lambda retries asynchronous invocations twice: an invocation that succeeds on a retry is no reason for an alarm.
  # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
  is_tried_again = length(var.rules) > 0

  alarms_of_calls = {
    errors = {
      description = (
        local.is_tried_again
        ? "${var.name} failed three times on an event, and Lambda dropped it. A message to this topic has the event and the error."
        : "Invocations of ${var.name} failed: it crashed, or ran out of time or memory."
      )
      namespace  = "AWS/Lambda"
      metric     = local.is_tried_again ? "AsyncEventsDropped" : "Errors"
      dimensions = { FunctionName = var.name }
      statistic  = "Sum"
      above      = 0
    }
    throttles = {
      description = "Invocations of ${var.name} were throttled: the account's concurrency is used up."
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      dimensions  = { FunctionName = var.name }
      statistic   = "Sum"
      above       = 0
    }
    slow = {
      description = "An invocation of ${var.name} took over 90 % of its ${var.size.timeout_seconds} s. Lambda ends one that takes all of it."
      namespace   = "AWS/Lambda"
      metric      = "Duration"
      dimensions  = { FunctionName = var.name }
      statistic   = "Maximum"
      above       = 900 * var.size.timeout_seconds # milliseconds
    }
  }

  alarms_of_queue = var.queue == null ? {} : {
    dead-letters = {
      description = "Events that could not be processed are in the dead-letter queue ${local.dead_letter_name}. They are not lost: fix the cause, then redrive them."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = local.dead_letter_name }
      statistic   = "Maximum"
      above       = 0
    }
    backlog = {
      description = "Messages have waited in the queue ${var.name} for over ${var.queue.age_seconds} s."
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = var.name }
      statistic   = "Maximum"
      above       = var.queue.age_seconds
    }
  }

  alarms_of_rules = {
    for name in keys(var.rules) : "${name}-undelivered" => {
      description = "Events of the rule ${var.name}-${name} do not reach ${var.name}: EventBridge may not invoke it."
      namespace   = "AWS/Events"
      metric      = "FailedInvocations"
      dimensions  = { RuleName = "${var.name}-${name}" }
      statistic   = "Sum"
      above       = 0
    }
  }

  # The shortest schedule by which a rule calls the function, in minutes; null if there is no schedule.
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

# A function that is not invoked reports no errors, and without invocations there is no metric either.
resource "aws_cloudwatch_metric_alarm" "silent" {
  count = local.every_minutes == null ? 0 : 1

  alarm_name          = "${var.name}-silent"
  alarm_description   = "${var.name} should be invoked every ${local.every_minutes} minutes, and was not for three periods in a row."
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
