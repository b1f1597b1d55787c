data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  dead_letter_name = "${var.name}-dlq"
  queue_arns = {
    for name in [var.name, local.dead_letter_name] :
    name => "arn:${data.aws_partition.current.partition}:sqs:${data.aws_region.current.name}:${var.account_id}:${name}"
  }

  # As long as SQS keeps anything: a message must not end unread.
  message_retention_seconds = 1209600
}

resource "aws_sqs_queue" "dead_letter" {
  name                      = local.dead_letter_name
  kms_master_key_id         = var.key_arn
  message_retention_seconds = local.message_retention_seconds
  policy                    = data.aws_iam_policy_document.tls[local.dead_letter_name].json

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns[var.name]]
  })
}

resource "aws_sqs_queue" "this" {
  name                      = var.name
  kms_master_key_id         = var.key_arn
  message_retention_seconds = local.message_retention_seconds
  policy                    = data.aws_iam_policy_document.queue_over_tls.json

  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: six times the function's.
  visibility_timeout_seconds = 6 * var.size.timeout_seconds

  redrive_policy = jsonencode({
    deadLetterTargetArn = local.queue_arns[local.dead_letter_name]
    maxReceiveCount     = 5
  })

  depends_on = [aws_sqs_queue.dead_letter]
}

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html
data "aws_iam_policy_document" "queue" {
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
      values   = var.event_bucket_arns
    }
  }
}

data "aws_iam_policy_document" "tls" {
  for_each = local.queue_arns

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

data "aws_iam_policy_document" "queue_over_tls" {
  source_policy_documents = [
    data.aws_iam_policy_document.queue.json,
    data.aws_iam_policy_document.tls[var.name].json,
  ]
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn        = local.queue_arns[var.name]
  function_name           = aws_lambda_function.this.function_name
  batch_size              = var.size.batch_size
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.size.max_concurrency
  }

  depends_on = [aws_sqs_queue.this]
}
