# Objects that the recorder cannot hash within Lambda's 15 minutes: it hands their events over, and a task makes the receipts
# with the same code. Off by default.

data "aws_iam_policy_document" "hasher_queue" {
  count = var.large_objects == null ? 0 : 1

  statement {
    sid       = "ConsumeQueue"
    actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
    resources = [local.queue_arns["hasher"]]
  }
}

data "aws_iam_policy_document" "recorder_hands_over" {
  count = var.large_objects == null ? 0 : 1

  statement {
    sid       = "SendToHasher"
    actions   = ["sqs:SendMessage"]
    resources = [local.queue_arns["hasher"]]
  }
}

module "hasher_role" {
  source = "./modules/role"
  count  = var.large_objects == null ? 0 : 1

  account_id   = var.account_id
  boundary_arn = local.boundary_arns["service"]
  description  = "Hashes and signs the large objects of ${local.prefix}"
  name         = local.role_names["hasher"]

  # Amazon ECS names no cluster as the source.
  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
  trust = { service = { match = "like", name = "ecs-tasks.amazonaws.com", source_arns = ["arn:${local.partition}:ecs:${var.region}:${var.account_id}:*"] } }

  # What the recorder may do, from another queue.
  policies = merge(local.adopted_policies, {
    consume-queue = data.aws_iam_policy_document.hasher_queue[0].json
    objects       = data.aws_iam_policy_document.recorder_objects.json
    use-keys      = data.aws_iam_policy_document.recorder_keys.json
  })
}

module "hasher" {
  source = "./modules/task"
  count  = var.large_objects == null ? 0 : 1

  account_id         = var.account_id
  boundary_arn       = local.boundary_arns["service"]
  image              = var.large_objects.image
  key_arn            = module.provenance_key.arn
  log_retention_days = var.retention.log_days
  name               = "${local.prefix}-hasher"
  start              = { every_minutes = 15 }
  task_role_arn      = module.hasher_role[0].ready_arn
  topic_arn          = module.alerts.topic_arn

  environment = {
    AWS_DEFAULT_REGION           = var.region
    AWS_LAMBDA_FUNCTION_NAME     = "${local.prefix}-hasher" # what its receipts say it was made by
    POWERTOOLS_LOG_LEVEL         = "INFO"
    POWERTOOLS_METRICS_NAMESPACE = local.metrics_namespace
    POWERTOOLS_SERVICE_NAME      = "hasher"
    PROVENANCE_BUCKET            = local.bucket_names["provenance"]
    SIGNING_KEY_ID               = module.signing_key[var.signing_key].arn
    SIGNING_KEY_VALID_FROM       = var.signing_keys[var.signing_key].valid_from
  }

  network = {
    security_group_ids = [module.network[0].security_group_id]
    subnet_ids         = values(module.network[0].subnet_ids)
  }

  queue = {
    operators = setunion(var.operators.data, [for persona, arn in local.persona_arns : arn if persona == "break-glass"])
    senders   = [local.role_arns["recorder"]]
  }
}
