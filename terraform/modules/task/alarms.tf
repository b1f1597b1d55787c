locals {
  queue_alarms = {
    dead-letters = {
      description = "Events that could not be processed are in the dead-letter queue ${local.dead_letter_name}. They are not lost: fix the cause, then redrive them."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = local.dead_letter_name }
      statistic   = "Maximum"
      periods     = 1
    }
    # A message that is worked on is not visible, however long that takes.
    waiting = {
      description = "Messages of the queue ${var.name} waited through three starts of its task: no task takes them."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = var.name }
      statistic   = "Minimum"
      periods     = 3 * coalesce(var.start.every_minutes, 1)
    }
  }
  rule_alarms = {
    for kind, rule in local.starts : kind == "schedule" ? "undelivered" : "event-undelivered" => {
      description = "The rule ${rule} does not start tasks: EventBridge may not, or Fargate has no room."
      namespace   = "AWS/Events"
      metric      = "FailedInvocations"
      dimensions  = { RuleName = rule }
      statistic   = "Sum"
      periods     = 1
    }
  }
  alarms = merge(var.queue == null ? {} : local.queue_alarms, local.rule_alarms)
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = each.value.periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}

# Two rules, because a pattern has no "or" between fields that one event may lack: a container that ended badly, and a task whose
# container never ran.
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html
resource "aws_cloudwatch_event_rule" "failed" {
  for_each = {
    failed      = { containers = { exitCode = [{ anything-but = 0 }] } }
    not-started = { stopCode = ["TaskFailedToStart"] }
  }

  name        = "${var.name}-${each.key}"
  description = "A task of ${var.name} did not succeed"

  event_pattern = jsonencode({
    source      = ["aws.ecs"]
    detail-type = ["ECS Task State Change"]
    detail      = merge({ clusterArn = [local.cluster_arn], lastStatus = ["STOPPED"] }, each.value)
  })
}

# As JSON, because a reason may contain quotes and line breaks.
resource "aws_cloudwatch_event_target" "failed" {
  for_each = aws_cloudwatch_event_rule.failed

  rule      = each.value.name
  target_id = "alerts"
  arn       = var.topic_arn

  input_transformer {
    input_paths = {
      code   = "$.detail.stopCode"
      reason = "$.detail.stoppedReason"
      task   = "$.detail.taskArn"
    }
    input_template = "{\"what\": \"A task of ${var.name} did not succeed\", \"code\": <code>, \"reason\": <reason>, \"task\": <task>}"
  }
}
