# https://docs.aws.amazon.com/athena/latest/ug/query-metrics-viewing.html
locals {
  alarms = {
    queries-failed = {
      description = "${var.alarms.failed_per_hour} queries or more of ${var.name} failed within an hour. The workgroup's history has each one's reason; custody doctor says whether the kit's own are among them."
      state       = "FAILED"
      statistic   = "SampleCount"
      comparison  = "GreaterThanOrEqualToThreshold"
      threshold   = var.alarms.failed_per_hour
    }
    queries-slow = {
      description = "A query of ${var.name} took over ${var.alarms.slow_minutes} minutes. Athena ends it after 30: it reads more days than it needs, or waits for capacity."
      state       = "SUCCEEDED"
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = 60000 * var.alarms.slow_minutes
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "AWS/Athena"
  metric_name         = "TotalExecutionTime"
  dimensions          = { QueryState = each.value.state, QueryType = "DML", WorkGroup = aws_athena_workgroup.this.name }
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 3600
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarms.topic_arn]
  ok_actions          = [var.alarms.topic_arn]
}
