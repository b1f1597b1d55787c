data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  queues           = var.queue == null ? 0 : 1
  dead_letter_name = "${var.name}-dlq"
  queue_arns = {
    for name in [var.name, local.dead_letter_name] :
    name => "arn:${data.aws_partition.current.partition}:sqs:${data.aws_region.current.name}:${var.account_id}:${name}"
    if var.queue != null
  }

  # The maximum of SQS: a message must not expire unread.
  message_retention_seconds = 1209600

  # Where a third of all calls fail, the SDK's retry quota is spent and every fourth message fails: five receives left 3 of
  # 1,000 as dead letters. Ten leave none, and outlast an outage of 35 minutes; the last is within an hour of the event.
  max_receives = 10

  # S3 sends 64 KiB at most. This is the largest value that this provider accepts; SQS's own default has been 1 MiB since August 2025.
  max_message_bytes = 262144
}

resource "aws_sqs_queue" "dead_letter" {
  count = local.queues

  name                      = local.dead_letter_name
  kms_master_key_id         = var.key_arn
  max_message_size          = local.max_message_bytes
  message_retention_seconds = local.message_retention_seconds
  policy                    = data.aws_iam_policy_document.refusals[local.dead_letter_name].json

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns[var.name]]
  })
}

resource "aws_sqs_queue" "this" {
  count = local.queues

  name                      = var.name
  kms_master_key_id         = var.key_arn
  max_message_size          = local.max_message_bytes
  message_retention_seconds = local.message_retention_seconds
  policy                    = data.aws_iam_policy_document.queue_with_refusals[0].json

  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: six times the function's timeout.
  visibility_timeout_seconds = 6 * var.size.timeout_seconds

  redrive_policy = jsonencode({
    deadLetterTargetArn = local.queue_arns[local.dead_letter_name]
    maxReceiveCount     = local.max_receives
  })

  depends_on = [aws_sqs_queue.dead_letter]
}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
data "aws_iam_policy_document" "queue" {
  count = local.queues

  statement {
    sid       = "BucketsNotify"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arns[var.name]]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = var.queue.event_bucket_arns
    }
  }

  # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
  dynamic "statement" {
    for_each = length(var.queue.event_rule_arns) > 0 ? [var.queue.event_rule_arns] : []

    content {
      sid       = "RulesSend"
      actions   = ["sqs:SendMessage"]
      resources = [local.queue_arns[var.name]]

      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [var.account_id]
      }

      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = statement.value
      }
    }
  }

  # In addition to the services above.
  statement {
    sid       = "NobodyElseSends"
    effect    = "Deny"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arns[var.name]]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    dynamic "condition" {
      for_each = length(var.queue.operators) > 0 ? [var.queue.operators] : []

      content {
        test     = "ArnNotLike"
        variable = "aws:PrincipalArn"
        values   = condition.value
      }
    }

    condition {
      test     = "Bool"
      variable = "aws:PrincipalIsAWSService"
      values   = ["false"]
    }
  }
}

locals {
  # The principals that receive messages from each queue; all others are denied, whatever their own policies say.
  takers = var.queue == null ? {} : {
    (var.name)               = setunion([var.role_arn], var.queue.operators)
    (local.dead_letter_name) = var.queue.operators
  }
}

# Messages are evidence until they are recorded. A queue's attributes are not secret.
data "aws_iam_policy_document" "refusals" {
  for_each = local.queue_arns

  statement {
    sid       = "NobodyElseTakes"
    effect    = "Deny"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
    resources = [each.value]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    dynamic "condition" {
      for_each = length(local.takers[each.key]) > 0 ? [local.takers[each.key]] : []

      content {
        test     = "ArnNotLike"
        variable = "aws:PrincipalArn"
        values   = condition.value
      }
    }
  }

  statement {
    sid       = "NobodyThrowsAway"
    effect    = "Deny"
    actions   = ["sqs:PurgeQueue"]
    resources = [each.value]

    principals {
      type        = "*"
      identifiers = ["*"]
    }
  }

  statement {
    sid       = "NobodyWithoutTls"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

data "aws_iam_policy_document" "queue_with_refusals" {
  count = local.queues

  source_policy_documents = [
    data.aws_iam_policy_document.queue[0].json,
    data.aws_iam_policy_document.refusals[var.name].json,
  ]
}

resource "aws_lambda_event_source_mapping" "this" {
  count = local.queues

  event_source_arn                   = local.queue_arns[var.name]
  function_name                      = aws_lambda_function.this.function_name
  batch_size                         = var.queue.batch_size
  maximum_batching_window_in_seconds = var.queue.batch_window_seconds
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.queue.max_concurrency
  }

  depends_on = [aws_sqs_queue.this]
}

# Keeps the queues of deployments from when every function had one.
moved {
  from = aws_sqs_queue.dead_letter
  to   = aws_sqs_queue.dead_letter[0]
}

moved {
  from = aws_sqs_queue.this
  to   = aws_sqs_queue.this[0]
}

moved {
  from = aws_lambda_event_source_mapping.this
  to   = aws_lambda_event_source_mapping.this[0]
}
