# Alarms for stopping the trail, changing what it logs, opening an evidence bucket, disabling a key and using break-glass.
# EventBridge receives such calls from a trail that logs management write events: this one, unless another does (management_events).
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
locals {
  # An event pattern has at most 2048 characters, and the number of keys grows: a rule has at most 15 of them.
  watched_keys = {
    for number, arns in chunklist(var.guarded.key_arns, 15) : number == 0 ? "key-changed" : "key-changed-${number + 1}" => {
      description = "A key of ${var.name} was disabled or scheduled for deletion, or its policy was changed"
      pattern = {
        source = ["aws.kms"]
        detail = {
          eventSource = ["kms.amazonaws.com"]
          eventName   = ["DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion"]
          resources   = { ARN = arns }
        }
      }
    }
  }

  watched = merge(local.watched_keys, {
    trail-changed = {
      description = "A trail of this account was stopped, deleted or changed"
      pattern = {
        source = ["aws.cloudtrail"]
        detail = {
          eventSource = ["cloudtrail.amazonaws.com"]
          eventName   = ["DeleteTrail", "PutEventConfiguration", "PutEventSelectors", "StopLogging", "UpdateTrail"]
        }
      }
    }
    evidence-bucket-changed = {
      description = "An evidence bucket of ${var.name} was opened, deleted or changed"
      pattern = {
        source = ["aws.s3"]
        detail = {
          eventSource = ["s3.amazonaws.com"]
          eventName = [
            "DeleteBucket",
            "DeleteBucketEncryption",
            "DeleteBucketLifecycle",
            "DeleteBucketPolicy",
            "DeleteBucketPublicAccessBlock",
            "PutBucketAcl",
            "PutBucketEncryption",
            "PutBucketLifecycle",
            "PutBucketObjectLockConfiguration",
            "PutBucketOwnershipControls",
            "PutBucketPolicy",
            "PutBucketPublicAccessBlock",
            "PutBucketReplication",
            "PutBucketVersioning",
          ]
          requestParameters = { bucketName = concat([var.bucket], sort(var.guarded.buckets)) }
        }
      }
    }
    emergency-role-assumed = {
      description = "The emergency role (break-glass) of ${var.name} was assumed"
      # CloudTrail classifies AssumeRole as a read event, and rules receive read events only in this state.
      state = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
      pattern = {
        source = ["aws.sts"]
        detail = {
          eventSource       = ["sts.amazonaws.com"]
          eventName         = ["AssumeRole", "AssumeRoleWithSAML"]
          requestParameters = { roleArn = [{ wildcard = var.guarded.emergency_role_arn }] }
        }
      }
    }
  })
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.watched

  name          = "${var.name}-${each.key}"
  description   = each.value.description
  state         = try(each.value.state, "ENABLED")
  event_pattern = jsonencode(merge(each.value.pattern, { detail-type = ["AWS API Call via CloudTrail"] }))
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.watched

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = "alerts"
  arn       = var.topic_arn
}

# Every use of the emergency role: its reads and writes are in this trail's own log, whether or not any trail logs management
# events. One alarm for each use, however many calls are made.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
resource "aws_cloudwatch_log_metric_filter" "emergency_role" {
  name           = "${var.name}-emergency-role-used"
  log_group_name = aws_cloudwatch_log_group.this.name
  pattern        = "{ $.userIdentity.sessionContext.sessionIssuer.arn = \"${var.guarded.emergency_role_arn}\" }"

  metric_transformation {
    name      = "EmergencyRoleCalls"
    namespace = "Custody/${var.name}"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "emergency_role" {
  alarm_name          = "${var.name}-emergency-role-used"
  alarm_description   = "The emergency role of ${var.name} is being used: the trail shows who called what."
  namespace           = aws_cloudwatch_log_metric_filter.emergency_role.metric_transformation[0].namespace
  metric_name         = aws_cloudwatch_log_metric_filter.emergency_role.metric_transformation[0].name
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
}
