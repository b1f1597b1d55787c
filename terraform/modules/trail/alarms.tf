# Alarms for stopping the trail, changing what it logs, opening a bucket, disabling a key, stopping the recording, stopping or
# overwriting the alarms, and using break-glass.
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

  evidence_buckets = concat([var.bucket], sort(var.guarded.buckets))
  data_buckets     = [for name in sort([for arn in var.data_bucket_arns : element(split(":::", arn), 1)]) : name if !contains(local.evidence_buckets, name)]

  # As CloudTrail names them: https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html
  bucket_changes = {
    source = ["aws.s3"]
    detail = {
      eventSource = ["s3.amazonaws.com"]
      eventName = [
        "DeleteBucket",
        "DeleteBucketEncryption",
        "DeleteBucketLifecycle",
        "DeleteBucketPolicy",
        "DeleteBucketPublicAccessBlock",
        "DeleteBucketReplication",
        "PutBucketAcl",
        "PutBucketEncryption",
        "PutBucketLifecycle",
        "PutBucketLogging",
        "PutBucketNotification",
        "PutBucketObjectLockConfiguration",
        "PutBucketOwnershipControls",
        "PutBucketPolicy",
        "PutBucketPublicAccessBlock",
        "PutBucketReplication",
        "PutBucketVersioning",
      ]
    }
  }

  # As CloudTrail names the deployers' sessions: without the path of the role, and with the session's name.
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns
  deployer_sessions = [
    for arn in sort(var.guarded.deployers) : strcontains(arn, ":role/") ? replace(
      arn,
      "/^arn:([a-z-]+):iam::([0-9]{12}):role/(?:.*/)?[*]?([^/*]+)[*]?$/",
      "arn:$1:sts::$2:assumed-role/$3${endswith(arn, "*") ? "" : "/"}*",
    ) : arn
  ]

  # The section of the runbook on each rule, as its page names it.
  runbook = merge(
    {
      alerts-changed          = "alerts-changed-alerts-overwritten"
      alerts-overwritten      = "alerts-changed-alerts-overwritten"
      data-bucket-changed     = "evidence-bucket-changed-data-bucket-changed"
      emergency-role-assumed  = "emergency-role-assumed-emergency-role-used"
      evidence-bucket-changed = "evidence-bucket-changed-data-bucket-changed"
      queue-changed           = "recording-changed-queue-changed"
      recording-changed       = "recording-changed-queue-changed"
      trail-changed           = "trail-changed"
    },
    { for name in keys(local.watched_keys) : name => "key-changed" },
  )

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
      pattern     = merge(local.bucket_changes, { detail = merge(local.bucket_changes.detail, { requestParameters = { bucketName = local.evidence_buckets } }) })
    }
    data-bucket-changed = {
      applies     = length(local.data_buckets) > 0
      description = "A data bucket of ${var.name} was opened, deleted or changed, or no longer notifies of new objects"
      pattern     = merge(local.bucket_changes, { detail = merge(local.bucket_changes.detail, { requestParameters = { bucketName = local.data_buckets } }) })
    }
    recording-changed = {
      applies     = length(var.function_arns) > 0
      description = "A function of ${var.name} was stopped or deleted, or an event source mapping of this account was changed"
      # CloudTrail's names of calls of Lambda end in the API's version. A mapping is named by its id alone.
      pattern = {
        source = ["aws.lambda"]
        detail = {
          eventSource = ["lambda.amazonaws.com"]
          "$or" = [
            { eventName = [{ prefix = "DeleteEventSourceMapping" }, { prefix = "UpdateEventSourceMapping" }] },
            {
              eventName         = [{ prefix = "DeleteFunction" }, { prefix = "PutFunctionConcurrency" }]
              requestParameters = { functionName = concat([for arn in sort(var.function_arns) : element(split(":", arn), 6)], sort(var.function_arns)) }
            },
          ]
        }
      }
    }
    queue-changed = {
      applies     = length(var.guarded.queues) > 0
      description = "A queue of ${var.name} was emptied, deleted or changed"
      pattern = {
        source = ["aws.sqs"]
        detail = {
          eventSource       = ["sqs.amazonaws.com"]
          eventName         = ["DeleteQueue", "PurgeQueue", "SetQueueAttributes"]
          requestParameters = { queueUrl = [for name in sort(var.guarded.queues) : { suffix = "/${var.account_id}/${name}" }] }
        }
      }
    }
    alerts-changed = {
      description = "An alarm, a rule, the dashboard or the topic of ${var.name} was deleted, disabled or muted"
      pattern = {
        source = ["aws.events", "aws.monitoring", "aws.sns"]
        detail = {
          eventSource = ["events.amazonaws.com", "monitoring.amazonaws.com", "sns.amazonaws.com"]
          "$or" = [
            { eventName = ["DeleteRule", "DisableRule"], requestParameters = { name = [{ prefix = "${var.name}-" }] } },
            { eventName = ["RemoveTargets"], requestParameters = { rule = [{ prefix = "${var.name}-" }] } },
            { eventName = ["DeleteAlarms", "DisableAlarmActions"], requestParameters = { alarmNames = [{ prefix = "${var.name}-" }] } },
            { eventName = ["SetAlarmState"], requestParameters = { alarmName = [{ prefix = "${var.name}-" }] } },
            { eventName = ["PutAlarmMuteRule"], requestParameters = { muteTargets = { alarmNames = [{ prefix = "${var.name}-" }] } } },
            { eventName = ["DeleteDashboards"], requestParameters = { dashboardNames = [{ prefix = "${var.name}-" }] } },
            { eventName = ["DeleteTopic", "SetTopicAttributes"], requestParameters = { topicArn = [var.topic_arn] } },
            { eventName = ["SetSubscriptionAttributes", "Unsubscribe"], requestParameters = { subscriptionArn = [{ prefix = "${var.topic_arn}:" }] } },
          ]
        }
      }
    }
    # Every deployment puts what it has changed; whoever else does makes an alarm that never fires, or a rule that hears nothing.
    alerts-overwritten = {
      description = "An alarm, a rule or the dashboard of ${var.name} was overwritten, and not by whoever deploys it"
      pattern = {
        source = ["aws.events", "aws.monitoring"]
        detail = merge(length(local.deployer_sessions) == 0 ? {} : { userIdentity = { arn = [{ anything-but = { wildcard = local.deployer_sessions } }] } }, {
          eventSource = ["events.amazonaws.com", "monitoring.amazonaws.com"]
          "$or" = [
            { eventName = ["PutCompositeAlarm", "PutMetricAlarm"], requestParameters = { alarmName = [{ prefix = "${var.name}-" }] } },
            { eventName = ["PutDashboard"], requestParameters = { dashboardName = [{ prefix = "${var.name}-" }] } },
            { eventName = ["PutRule"], requestParameters = { name = [{ prefix = "${var.name}-" }] } },
            { eventName = ["PutTargets"], requestParameters = { rule = [{ prefix = "${var.name}-" }] } },
          ]
        })
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
  for_each = { for name, rule in local.watched : name => rule if try(rule.applies, true) }

  name          = "${var.name}-${each.key}"
  description   = each.value.description
  state         = try(each.value.state, "ENABLED")
  event_pattern = jsonencode(merge(each.value.pattern, { detail-type = ["AWS API Call via CloudTrail"] }))
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = aws_cloudwatch_event_rule.this

  rule      = each.value.name
  target_id = "alerts"
  arn       = var.topic_arn

  # What an event lacks is left out as an empty text.
  input_transformer {
    input_paths = {
      asked = "$.detail.requestParameters"
      at    = "$.detail.eventTime"
      call  = "$.detail.eventName"
      error = "$.detail.errorCode"
      event = "$.detail.eventID"
      from  = "$.detail.sourceIPAddress"
      who   = "$.detail.userIdentity.arn"
    }
    input_template = join("", [
      "{\"what\": ${jsonencode(local.watched[each.key].description)}, \"call\": <call>, \"who\": <who>, \"from\": <from>, \"when\": <at>, ",
      "\"asked\": <asked>, \"error\": <error>, \"event\": <event>, \"do\": \"docs/runbook_failures.md#${local.runbook[each.key]}\"}",
    ])
  }
}

# Every use of the emergency role: its reads and writes are in this trail's own log, whether or not any trail logs management
# events. One alarm for each use, however many calls are made.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
resource "aws_cloudwatch_log_metric_filter" "emergency_role" {
  count = var.logs == null ? 0 : 1

  name           = "${var.name}-emergency-role-used"
  log_group_name = aws_cloudwatch_log_group.this[0].name
  pattern        = "{ $.userIdentity.sessionContext.sessionIssuer.arn = \"${var.guarded.emergency_role_arn}\" }"

  metric_transformation {
    name      = "EmergencyRoleCalls"
    namespace = "Custody/${var.name}"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "emergency_role" {
  count = var.logs == null ? 0 : 1

  alarm_name          = "${var.name}-emergency-role-used"
  alarm_description   = "The emergency role of ${var.name} is being used: the trail shows who called what."
  namespace           = aws_cloudwatch_log_metric_filter.emergency_role[0].metric_transformation[0].namespace
  metric_name         = aws_cloudwatch_log_metric_filter.emergency_role[0].metric_transformation[0].name
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
}
