# Who stops the trail, changes what it logs, opens a bucket of evidence, disables a key or breaks the glass is heard at once.
# EventBridge hears of such calls from a trail that logs management writes: this one, unless another does (management_events).
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
locals {
  # A pattern has 2048 characters, and keys grow in number: a rule holds 15 of them.
  watched_keys = {
    for number, arns in chunklist(var.guarded.key_arns, 15) : number == 0 ? "key-changed" : "key-changed-${number + 1}" => {
      description = "A key of ${var.name} was disabled, or is to be deleted, or its policy was changed"
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
      description = "A bucket of evidence of ${var.name} was opened, deleted or changed"
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
      description = "Somebody broke the glass: the emergency role of ${var.name} was assumed"
      # AssumeRole reads, in the words of CloudTrail, and rules do not hear of what reads unless they ask to.
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

# And whatever the emergency role then does: what it reads and writes is in the trail's own log, whether or not any trail
# logs management events. One alarm for a use, however many calls it makes.
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
  alarm_description   = "The emergency role of ${var.name} is being used: the trail says by whom and for what."
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
