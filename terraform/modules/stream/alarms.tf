# https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html
locals {
  alarms = {
    stale = {
      description = "Records have waited in ${var.name} for over ${var.alarms.freshness_seconds} s. Firehose retries for 24 hours, then they are lost: its log says what prevents the delivery."
      metric      = "DeliveryToS3.DataFreshness"
      statistic   = "Maximum"
      comparison  = "GreaterThanThreshold"
      threshold   = var.alarms.freshness_seconds
    }
    failures = {
      description = "Deliveries of ${var.name} failed. Firehose retries for 24 hours, then the records are lost: its log says what prevents the delivery."
      metric      = "DeliveryToS3.Success"
      statistic   = "Average"
      comparison  = "LessThanThreshold"
      threshold   = 1
    }
    throttles = {
      description = "Records for ${var.name} were throttled: more arrive than the stream's quota allows. The sender must send them again."
      metric      = "ThrottledRecords"
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
    }
    key-denied = {
      description = "${var.name} may not use its KMS key: it neither accepts nor delivers records."
      metric      = "KMSKeyAccessDenied"
      statistic   = "Sum"
      comparison  = "GreaterThanThreshold"
      threshold   = 0
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "AWS/Firehose"
  metric_name         = each.value.metric
  dimensions          = { DeliveryStreamName = var.name }
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarms.topic_arn]
  ok_actions          = [var.alarms.topic_arn]
}
