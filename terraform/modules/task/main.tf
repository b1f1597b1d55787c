# A process without a time limit: a task on Fargate that is started on a schedule, takes messages from its queue until there is
# none, and ends. It costs nothing but the minute of each look.

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  here      = "${data.aws_region.current.name}:${var.account_id}"

  # Built from names, so that policies are known at plan.
  cluster_arn    = "arn:${local.partition}:ecs:${local.here}:cluster/${var.name}"
  definition_arn = "arn:${local.partition}:ecs:${local.here}:task-definition/${var.name}"
  rule_arn       = "arn:${local.partition}:events:${local.here}:rule/${var.name}-start"
  log_group_name = "/aws/ecs/${var.name}"
  log_group_arn  = "arn:${local.partition}:logs:${local.here}:log-group:${local.log_group_name}"

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
      for name, value in merge(var.environment, { CODE_SHA256 = local.image.digest, QUEUE_URL = aws_sqs_queue.this.url }) : { name = name, value = value }
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
  name                = "${var.name}-start"
  description         = "Starts a task of ${var.name}, which ends when its queue is empty"
  schedule_expression = "rate(${var.every_minutes} minutes)"
}

resource "aws_cloudwatch_event_target" "start" {
  rule      = aws_cloudwatch_event_rule.start.name
  target_id = "task"
  arn       = local.cluster_arn
  role_arn  = module.start_role.ready_arn

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

  depends_on = [aws_ecs_cluster.this]
}

# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/CWE_IAM_role.html
data "aws_iam_policy_document" "start" {
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

  account_id   = var.account_id
  boundary_arn = var.boundary_arn
  description  = "Lets the schedule start tasks of ${var.name}"
  name         = "${var.name}-start"
  policies     = { run-task = data.aws_iam_policy_document.start.json }
  trust        = { service = { name = "events.amazonaws.com", source_arns = [local.rule_arn] } }
}
