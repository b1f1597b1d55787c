mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id    = "123456789012"
  boundary_arn  = "arn:aws:iam::123456789012:policy/custody-test-service-boundary"
  environment   = { PROVENANCE_BUCKET = "custody-test-provenance-123456789012" }
  image         = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/custody-test-tasks@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  key_arn       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-12ab-4cde-8123-1234567890ab"
  name          = "custody-test-hasher"
  network       = { security_group_ids = ["sg-1"], subnet_ids = ["subnet-1", "subnet-2"] }
  queue         = { operators = ["arn:aws:iam::123456789012:role/custody-test-data"], senders = ["arn:aws:iam::123456789012:role/custody-test-recorder"] }
  start         = { every_minutes = 15 }
  task_role_arn = "arn:aws:iam::123456789012:role/custody-test-hasher"
  topic_arn     = "arn:aws:sns:eu-central-1:123456789012:custody-test-alerts"
}

run "runs_as_nobody_with_a_filesystem_that_it_cannot_write" {
  assert {
    condition = [
      for c in jsondecode(aws_ecs_task_definition.this.container_definitions) :
      [c.image, c.user, c.privileged, c.readonlyRootFilesystem, c.linuxParameters.capabilities.drop]
    ] == [[var.image, "65534:65534", false, true, ["ALL"]]]
    error_message = "The container runs the image of that digest, as nobody, without capabilities, and writes nowhere."
  }

  assert {
    condition = { for one in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : one.name => one.value } == {
      CODE_SHA256       = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      PROVENANCE_BUCKET = "custody-test-provenance-123456789012"
      QUEUE_URL         = aws_sqs_queue.this[0].url
    }
    error_message = "It knows its queue and the digest of its image."
  }

  assert {
    condition = (
      aws_ecs_task_definition.this.network_mode == "awsvpc" && aws_ecs_task_definition.this.requires_compatibilities == toset(["FARGATE"])
      && aws_ecs_task_definition.this.task_role_arn == var.task_role_arn && aws_ecs_task_definition.this.execution_role_arn != var.task_role_arn
      && aws_cloudwatch_event_target.start["schedule"].ecs_target[0].network_configuration[0].assign_public_ip == false
    )
    error_message = "It has a role of its own and no public address."
  }

  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/ecs/custody-test-hasher" && aws_cloudwatch_log_group.this.kms_key_id == var.key_arn && aws_cloudwatch_log_group.this.retention_in_days == 365
    error_message = "Its log is encrypted and kept."
  }
}

run "lets_the_schedule_start_this_task_alone" {
  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.start[0].statement :
      s.sid => { actions = s.actions, resources = sort(s.resources), conditions = { for c in s.condition : "${c.test} ${c.variable}" => c.values } }
      }) == jsonencode({
      RunTask = {
        actions    = ["ecs:RunTask"]
        resources  = ["arn:aws:ecs:eu-central-1:123456789012:task-definition/custody-test-hasher:*"]
        conditions = { "ArnEquals ecs:cluster" = ["arn:aws:ecs:eu-central-1:123456789012:cluster/custody-test-hasher"] }
      }
      HandItsRolesToIt = {
        actions    = ["iam:PassRole"]
        resources  = ["arn:aws:iam::123456789012:role/custody-test-hasher", "arn:aws:iam::123456789012:role/custody-test-hasher-execution"]
        conditions = { "StringEquals iam:PassedToService" = ["ecs-tasks.amazonaws.com"] }
      }
    })
    error_message = "The schedule runs this task in its cluster, with its two roles."
  }

  assert {
    condition     = aws_cloudwatch_event_rule.start["schedule"].schedule_expression == "rate(15 minutes)"
    error_message = "A task looks into the queue every 15 minutes."
  }
}

run "lets_fargate_pull_one_image_and_write_one_log" {
  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.execution.statement : s.sid => { actions = sort(s.actions), resources = s.resources }
      }) == jsonencode({
      PullImage        = { actions = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], resources = ["arn:aws:ecr:eu-central-1:123456789012:repository/custody-test-tasks"] }
      SignInToRegistry = { actions = ["ecr:GetAuthorizationToken"], resources = ["*"] }
      WriteLog         = { actions = ["logs:CreateLogStream", "logs:PutLogEvents"], resources = ["arn:aws:logs:eu-central-1:123456789012:log-group:/aws/ecs/custody-test-hasher:log-stream:*"] }
    })
    error_message = "Fargate pulls the image and writes the log."
  }
}

run "takes_messages_from_its_senders_and_gives_them_to_its_task" {
  assert {
    condition = jsonencode({
      for name, document in data.aws_iam_policy_document.queue : name => {
        for s in document.statement : s.sid => flatten([for c in s.condition : sort(c.values)])
      }
      }) == jsonencode({
      "custody-test-hasher" = {
        NobodyElseSends  = ["arn:aws:iam::123456789012:role/custody-test-data", "arn:aws:iam::123456789012:role/custody-test-recorder"]
        NobodyElseTakes  = ["arn:aws:iam::123456789012:role/custody-test-data", "arn:aws:iam::123456789012:role/custody-test-hasher"]
        NobodyThrowsAway = []
        NobodyWithoutTls = ["false"]
      }
      "custody-test-hasher-dlq" = {
        NobodyElseSends  = []
        NobodyElseTakes  = ["arn:aws:iam::123456789012:role/custody-test-data"]
        NobodyThrowsAway = []
        NobodyWithoutTls = ["false"]
      }
    })
    error_message = "Senders send, the task takes, operators do both, and nobody throws away."
  }

  assert {
    condition     = alltrue([for queue in [aws_sqs_queue.this[0], aws_sqs_queue.dead_letter[0]] : queue.kms_master_key_id == var.key_arn && queue.message_retention_seconds == 1209600])
    error_message = "Both queues are encrypted, and keep a message as long as SQS can."
  }
}

run "tells_when_it_fails" {
  assert {
    condition = { for name, rule in aws_cloudwatch_event_rule.failed : name => jsondecode(rule.event_pattern).detail } == {
      failed      = { clusterArn = ["arn:aws:ecs:eu-central-1:123456789012:cluster/custody-test-hasher"], containers = { exitCode = [{ anything-but = 0 }] }, lastStatus = ["STOPPED"] }
      not-started = { clusterArn = ["arn:aws:ecs:eu-central-1:123456789012:cluster/custody-test-hasher"], lastStatus = ["STOPPED"], stopCode = ["TaskFailedToStart"] }
    }
    error_message = "A task that ended badly or never ran is told."
  }

  assert {
    condition = { for short, alarm in aws_cloudwatch_metric_alarm.this : short => "${alarm.metric_name} ${alarm.statistic} ${alarm.evaluation_periods}" } == {
      dead-letters = "ApproximateNumberOfMessagesVisible Maximum 1"
      undelivered  = "FailedInvocations Sum 1"
      waiting      = "ApproximateNumberOfMessagesVisible Minimum 45"
    }
    error_message = "Dead letters, messages that no task takes, and a schedule that starts nothing ring."
  }
}

run "starts_by_an_event_with_what_it_tells_and_has_no_queue" {
  variables {
    queue = null
    start = { event = { argument = "$.detail.jobName", pattern = "{\"source\": [\"aws.glue\"]}" }, every_minutes = 1440 }
  }

  assert {
    condition     = { for kind, rule in aws_cloudwatch_event_rule.start : rule.name => coalesce(rule.event_pattern, rule.schedule_expression) } == { custody-test-hasher-event = "{\"source\": [\"aws.glue\"]}", custody-test-hasher-start = "rate(1440 minutes)" }
    error_message = "An event and a schedule start it."
  }

  assert {
    condition = (
      aws_cloudwatch_event_target.start["event"].input_transformer[0].input_paths == tomap({ argument = "$.detail.jobName" })
      && aws_cloudwatch_event_target.start["event"].input_transformer[0].input_template == "{\"containerOverrides\": [{\"name\": \"custody-test-hasher\", \"command\": [<argument>]}]}"
      && length(aws_cloudwatch_event_target.start["schedule"].input_transformer) == 0
    )
    error_message = "The event's value is the only argument; on the schedule there is none."
  }

  assert {
    condition     = length(aws_sqs_queue.this) == 0 && length(aws_sqs_queue.dead_letter) == 0 && length(data.aws_iam_policy_document.queue) == 0 && output.queue_url == null && toset(keys(aws_cloudwatch_metric_alarm.this)) == toset(["event-undelivered", "undelivered"])
    error_message = "There is no queue, and no alarm about one."
  }

  assert {
    condition     = !contains([for one in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : one.name], "QUEUE_URL")
    error_message = "It is told of no queue."
  }
}

run "is_started_by_whoever_may_run_it" {
  variables {
    queue = null
    start = {}
  }

  assert {
    condition     = length(aws_cloudwatch_event_rule.start) == 0 && length(module.start_role) == 0 && length(aws_cloudwatch_metric_alarm.this) == 0
    error_message = "Nothing starts it by itself."
  }
}

run "refuses_a_queue_that_no_schedule_looks_into" {
  command = plan
  variables {
    start = { event = { argument = "$.detail.jobName", pattern = "{}" } }
  }
  expect_failures = [var.queue]
}

run "refuses_a_schedule_of_no_time" {
  command = plan
  variables {
    start = { every_minutes = 1 }
  }
  expect_failures = [var.start]
}

run "refuses_a_pattern_that_is_none" {
  command = plan
  variables {
    start = { event = { argument = "$.detail.jobName", pattern = "aws.glue" }, every_minutes = 15 }
  }
  expect_failures = [var.start]
}

run "refuses_an_image_by_its_tag" {
  command = plan
  variables {
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/custody-test-tasks:latest"
  }
  expect_failures = [var.image]
}

run "refuses_an_image_of_a_public_registry" {
  command = plan
  variables {
    image = "docker.io/library/python@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  }
  expect_failures = [var.image]
}

run "refuses_a_queue_that_nobody_sends_to" {
  command = plan
  variables {
    queue = { senders = [] }
  }
  expect_failures = [var.queue]
}

run "refuses_a_setting_of_its_own" {
  command = plan
  variables {
    environment = { QUEUE_URL = "https://elsewhere" }
  }
  expect_failures = [var.environment]
}
