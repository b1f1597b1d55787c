# A process without a time limit: a task on Fargate that is started on a schedule or by an event, works, and ends. With a queue, it
# takes messages until there is none. It costs nothing but the minutes that it runs.

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  here      = "${data.aws_region.current.name}:${var.account_id}"

  # Built from names, so that policies are known at plan.
  cluster_arn    = "arn:${local.partition}:ecs:${local.here}:cluster/${var.name}"
  definition_arn = "arn:${local.partition}:ecs:${local.here}:task-definition/${var.name}"
  log_group_name = "/aws/ecs/${var.name}"
  log_group_arn  = "arn:${local.partition}:logs:${local.here}:log-group:${local.log_group_name}"

  # The rules that start it, by what they wait for.
  starts = merge(
    var.start.every_minutes == null ? {} : { schedule = "${var.name}-start" },
    var.start.event == null ? {} : { event = "${var.name}-event" },
  )

  # <account>.dkr.ecr.<region>.<suffix>/<repository>@sha256:<digest>
  image      = regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.[a-z.]+/(?P<repository>[^@]+)@sha256:(?P<digest>[0-9a-f]{64})$", var.image)
  image_arn  = "arn:${local.partition}:ecr:${local.image.region}:${local.image.account}:repository/${local.image.repository}"
  cpu_units  = 1024
  memory_mib = 2048
}

resource "aws_cloudwatch_log_group" "this" {
  name              = local.log_group_name
  kms_key_id        = var.key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_ecs_cluster" "this" {
  # checkov:skip=CKV_AWS_65:Container Insights are billed by the metric; the alarms on queue, rule and failed tasks say what matters
  # checkov:skip=CKV_AWS_224:Nobody can open a shell in a task: execute command is not enabled
  name = var.name
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  skip_destroy             = true # what has run stays on record, and nobody needs the permission to remove definitions, which has no resource
  cpu                      = local.cpu_units
  memory                   = local.memory_mib
  network_mode             = "awsvpc"
  requires_compatibilities = ["FARGATE"]
  execution_role_arn       = module.execution_role.ready_arn
  task_role_arn            = var.task_role_arn

  runtime_platform {
    cpu_architecture        = "ARM64"
    operating_system_family = "LINUX"
  }

  # No secrets: a task reads them at run time, with its role.
  container_definitions = jsonencode([{
    name                   = var.name
    image                  = var.image
    essential              = true
    privileged             = false
    readonlyRootFilesystem = true
    user                   = "65534:65534"
    linuxParameters        = { capabilities = { drop = ["ALL"] }, initProcessEnabled = true }
    environment = [
      for name, value in merge(var.environment, { CODE_SHA256 = local.image.digest }, { for queue in aws_sqs_queue.this : "QUEUE_URL" => queue.url }) : { name = name, value = value }
    ]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.this.name
        "awslogs-region"        = data.aws_region.current.name
        "awslogs-stream-prefix" = "task"
      }
    }
  }])
}

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html
data "aws_iam_policy_document" "execution" {
  statement {
    sid       = "PullImage"
    actions   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [local.image_arn]
  }

  # It has no resource-level permissions.
  statement {
    sid       = "SignInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "WriteLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.log_group_arn}:log-stream:*"]
  }
}

module "execution_role" {
  source = "../role"

  account_id   = var.account_id
  boundary_arn = var.boundary_arn
  description  = "Lets Fargate pull the image of ${var.name} and write its log"
  name         = "${var.name}-execution"
  policies     = { start-task = data.aws_iam_policy_document.execution.json }

  # Amazon ECS names no cluster as the source.
  # https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html
  trust = { service = { match = "like", name = "ecs-tasks.amazonaws.com", source_arns = ["arn:${local.partition}:ecs:${local.here}:*"] } }
}

resource "aws_cloudwatch_event_rule" "start" {
  for_each = local.starts

  name                = each.value
  description         = "Starts a task of ${var.name}, which ends when its ${var.queue == null ? "work is done" : "queue is empty"}"
  event_pattern       = each.key == "event" ? var.start.event.pattern : null
  schedule_expression = each.key == "schedule" ? "rate(${var.start.every_minutes} minutes)" : null
}

resource "aws_cloudwatch_event_target" "start" {
  for_each = aws_cloudwatch_event_rule.start

  rule      = each.value.name
  target_id = "task"
  arn       = local.cluster_arn
  role_arn  = module.start_role[0].ready_arn

  ecs_target {
    launch_type         = "FARGATE"
    task_count          = 1
    task_definition_arn = aws_ecs_task_definition.this.arn

    network_configuration {
      assign_public_ip = false
      security_groups  = var.network.security_group_ids
      subnets          = var.network.subnet_ids
    }
  }

  # EventBridge puts the value in with its quotes.
  # https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html
  dynamic "input_transformer" {
    for_each = each.key == "event" ? [var.start.event.argument] : []

    content {
      input_paths    = { argument = input_transformer.value }
      input_template = "{\"containerOverrides\": [{\"name\": \"${var.name}\", \"command\": [<argument>]}]}"
    }
  }

  depends_on = [aws_ecs_cluster.this]
}

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/CWE_IAM_role.html
data "aws_iam_policy_document" "start" {
  count = length(local.starts) > 0 ? 1 : 0

  statement {
    sid       = "RunTask"
    actions   = ["ecs:RunTask"]
    resources = ["${local.definition_arn}:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [local.cluster_arn]
    }
  }

  statement {
    sid       = "HandItsRolesToIt"
    actions   = ["iam:PassRole"]
    resources = [module.execution_role.arn, var.task_role_arn]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }
}

module "start_role" {
  source = "../role"
  count  = length(local.starts) > 0 ? 1 : 0

  account_id   = var.account_id
  boundary_arn = var.boundary_arn
  description  = "Lets the ${join(" or the ", keys(local.starts))} start tasks of ${var.name}"
  name         = "${var.name}-start"
  policies     = { run-task = data.aws_iam_policy_document.start[0].json }
  trust        = { service = { name = "events.amazonaws.com", source_arns = [for rule in values(local.starts) : "arn:${local.partition}:events:${local.here}:rule/${rule}"] } }
}

moved {
  from = aws_cloudwatch_event_rule.start
  to   = aws_cloudwatch_event_rule.start["schedule"]
}

moved {
  from = aws_cloudwatch_event_target.start
  to   = aws_cloudwatch_event_target.start["schedule"]
}
