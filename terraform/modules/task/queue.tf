locals {
  dead_letter_name = "${var.name}-dlq"
  queue_arns       = { for name in var.queue == null ? [] : [var.name, local.dead_letter_name] : name => "arn:${local.partition}:sqs:${local.here}:${name}" }

  # The only principals that send to each queue and receive from it; nobody sends to the dead-letter queue but SQS itself.
  senders = var.queue == null ? {} : {
    (var.name)               = setunion(var.queue.senders, var.queue.operators)
    (local.dead_letter_name) = []
  }
  takers = var.queue == null ? {} : {
    (var.name)               = setunion([var.task_role_arn], var.queue.operators)
    (local.dead_letter_name) = var.queue.operators
  }
}

resource "aws_sqs_queue" "dead_letter" {
  count = var.queue == null ? 0 : 1

  name                      = local.dead_letter_name
  kms_master_key_id         = var.key_arn
  message_retention_seconds = 1209600
  policy                    = data.aws_iam_policy_document.queue[local.dead_letter_name].json

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arns[var.name]]
  })
}

resource "aws_sqs_queue" "this" {
  count = var.queue == null ? 0 : 1

  name                       = var.name
  kms_master_key_id          = var.key_arn
  message_retention_seconds  = 1209600
  policy                     = data.aws_iam_policy_document.queue[var.name].json
  visibility_timeout_seconds = 300

  # Each receive may be hours of work.
  redrive_policy = jsonencode({
    deadLetterTargetArn = local.queue_arns[local.dead_letter_name]
    maxReceiveCount     = 5
  })

  depends_on = [aws_sqs_queue.dead_letter]
}

# It grants nothing: the roles' own policies do. It denies all others, whatever their policies say.
data "aws_iam_policy_document" "queue" {
  for_each = local.queue_arns

  dynamic "statement" {
    for_each = {
      NobodyElseSends = { actions = ["sqs:SendMessage"], principals = local.senders[each.key] }
      NobodyElseTakes = { actions = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"], principals = local.takers[each.key] }
    }

    content {
      sid       = statement.key
      effect    = "Deny"
      actions   = statement.value.actions
      resources = [each.value]

      principals {
        type        = "*"
        identifiers = ["*"]
      }

      dynamic "condition" {
        for_each = length(statement.value.principals) > 0 ? [statement.value.principals] : []

        content {
          test     = "ArnNotLike"
          variable = "aws:PrincipalArn"
          values   = condition.value
        }
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
