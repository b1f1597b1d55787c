# Who stops the trail, changes what it logs or opens its bucket is heard at once. EventBridge hears of such calls from
# a trail that logs management writes: this one (management_events) or another of the account.
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
locals {
  watched = {
    trail-changed = {
      description = "A trail of this account was stopped, deleted or changed"
      pattern = {
        source = ["aws.cloudtrail"]
        detail = {
          eventSource = ["cloudtrail.amazonaws.com"]
          eventName   = ["DeleteTrail", "PutEventSelectors", "StopLogging", "UpdateTrail"]
        }
      }
    }
    trail-bucket-changed = {
      description = "The bucket of the trail ${var.name} was opened, deleted or changed"
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
          requestParameters = { bucketName = [var.bucket] }
        }
      }
    }
  }
}

resource "aws_cloudwatch_event_rule" "this" {
  for_each = local.watched

  name          = "${var.name}-${each.key}"
  description   = each.value.description
  event_pattern = jsonencode(merge(each.value.pattern, { detail-type = ["AWS API Call via CloudTrail"] }))
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = local.watched

  rule      = aws_cloudwatch_event_rule.this[each.key].name
  target_id = "alerts"
  arn       = var.topic_arn
}
