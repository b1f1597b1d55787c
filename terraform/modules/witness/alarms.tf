locals {
  metrics_namespace = "Custody/${var.name}"

  alarms = {
    conflict = {
      above       = true
      description = "signed a checkpoint that does not extend the one cosigned last: it may show others another history. The function's log has the request (CheckpointInConflict)."
      metric      = "CheckpointsInConflict"
      period      = 60
    }
    # A sealer signs a checkpoint anew at least every 21 hours.
    silent = {
      above       = false
      description = "has had no checkpoint cosigned for a day: it is not asked, or refused."
      metric      = "CheckpointsCosigned"
      period      = 86400
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for pair in setproduct(keys(var.logs), keys(local.alarms)) : "${pair[0]}-${pair[1]}" => { log = pair[0], alarm = local.alarms[pair[1]] } }

  alarm_name          = "${var.name}-log-${each.key}"
  alarm_description   = "The log ${each.value.log} ${each.value.alarm.description}"
  namespace           = local.metrics_namespace
  metric_name         = each.value.alarm.metric
  dimensions          = { log = each.value.log, service = "witness" }
  statistic           = "Sum"
  comparison_operator = each.value.alarm.above ? "GreaterThanThreshold" : "LessThanThreshold"
  threshold           = each.value.alarm.above ? 0 : 1
  period              = each.value.alarm.period
  evaluation_periods  = 1
  treat_missing_data  = each.value.alarm.above ? "notBreaching" : "breaching"
  alarm_actions       = [module.alerts.topic_arn]
  ok_actions          = [module.alerts.topic_arn]
}
