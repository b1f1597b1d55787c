# "Is it healthy" in one look: the alarms, then what they are about, in the order in which the data goes.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html

locals {
  metric_alarms = concat(
    values(module.recorder.alarms),
    [aws_cloudwatch_metric_alarm.receipt_lag.alarm_name],
    flatten([for hasher in module.hasher : values(hasher.alarms)]),
    values(aws_cloudwatch_metric_alarm.adopted)[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.evidence_copy)[*].alarm_name,
    values(module.sealer.alarms),
    [aws_cloudwatch_metric_alarm.checkpoint_age.alarm_name],
    aws_cloudwatch_metric_alarm.witnesses[*].alarm_name,
    values(module.auditor.alarms),
    values(module.trail.alarms),
    flatten([for stream in values(module.stream) : values(stream.alarms)]),
    flatten([for gate in module.gate : values(gate.alarms)]),
    aws_cloudwatch_metric_alarm.versions_withheld[*].alarm_name,
    values(aws_cloudwatch_metric_alarm.gate)[*].alarm_name,
    flatten([for loader in module.loader : values(loader.alarms)]),
    var.orchestrator == null ? [] : [module.orchestrator[0].alarm],
    values(module.workgroup.alarms),
    flatten([for secret in module.warehouse_secret : values(secret.alarms)]),
  )

  # A widget has at most 100 alarms.
  alarm_widgets = concat(
    [{ title = "Is evidence at risk?", names = [aws_cloudwatch_composite_alarm.evidence_at_risk.alarm_name] }],
    [for names in chunklist(local.metric_alarms, 100) : { title = "Alarms", names = names }],
  )

  functions_shown = [for short in local.logged_functions : local.function_names[short]]
  queues_shown    = ["recorder", "sealer"]
  query_states    = ["CANCELED", "FAILED", "SUCCEEDED"]

  graphs = concat(
    [
      {
        title     = "Receipts made and sealed, each minute"
        statistic = "Sum"
        metrics = [
          [local.metrics_namespace, "ReceiptsWritten", "service", "recorder"],
          [local.metrics_namespace, "ReceiptsSealed", "service", "sealer"],
        ]
      },
      {
        title     = "Lag: seconds that the oldest message of a queue waits"
        statistic = "Maximum"
        metrics   = [for short in local.queues_shown : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", local.queue_names[short]]]
      },
      {
        title     = "Receipt lag: seconds from a write to its receipt"
        statistic = "Maximum"
        metrics   = [[local.metrics_namespace, "ReceiptLag", "service", "recorder"]]
      },
      {
        title     = "Sealing lag: seconds since the checkpoint"
        statistic = "Maximum"
        metrics   = [[local.metrics_namespace, "CheckpointAge", "service", "sealer"]]
      },
      {
        title     = "Messages that wait"
        statistic = "Maximum"
        metrics   = [for short in local.queues_shown : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.queue_names[short]]]
      },
      {
        title     = "Dead letters"
        statistic = "Maximum"
        metrics   = [for short in local.queues_shown : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", local.queue_names["${short}-dlq"]]]
      },
    ],
    [
      for metric, shown in {
        Errors    = { title = "Functions: errors", statistic = "Sum" }
        Throttles = { title = "Functions: throttles", statistic = "Sum" }
        Duration  = { title = "Functions: longest invocation, in milliseconds", statistic = "Maximum" }
        } : {
        title     = shown.title
        statistic = shown.statistic
        metrics   = [for name in local.functions_shown : ["AWS/Lambda", metric, "FunctionName", name]]
      }
    ],
    !local.has_streams ? [] : [
      for metric, shown in {
        "DeliveryToS3.DataFreshness" = { title = "Streams: seconds that the oldest record waits", statistic = "Maximum" }
        "DeliveryToS3.Success"       = { title = "Streams: share of deliveries that succeed", statistic = "Average" }
        } : {
        title     = shown.title
        statistic = shown.statistic
        metrics   = [for stream in values(module.stream) : ["AWS/Firehose", metric, "DeliveryStreamName", stream.name]]
      }
    ],
    !local.has_tables ? [] : [
      {
        title     = "Gate: versions and rows"
        statistic = "Maximum"
        metrics = [
          for name in ["VersionsVerified", "VersionsPending", "VersionsWithheld", "RowsRejected", "NewColumns"] :
          [local.metrics_namespace, name, "service", "gate"]
        ]
      },
      {
        title     = "Gate: seconds that a table waits, and that a job's run takes"
        statistic = "Maximum"
        metrics   = [for name in ["TableWait", "JobRunTime"] : [local.metrics_namespace, name, "service", "gate"]]
      },
      {
        title     = "Glue: job runs that failed, and silver ones that succeeded"
        statistic = "Sum"
        metrics   = [for rule in [module.jobs[0].failed_rule, "${local.function_names["gate"]}-silver-done"] : ["AWS/Events", "Invocations", "RuleName", rule]]
      },
    ],
    [
      {
        title     = "Athena: queries that ended"
        statistic = "SampleCount"
        metrics = [
          for state in local.query_states :
          ["AWS/Athena", "TotalExecutionTime", "QueryState", state, "QueryType", "DML", "WorkGroup", local.workgroup_name]
        ]
      },
      {
        title     = "Athena: bytes scanned"
        statistic = "Sum"
        metrics   = [["AWS/Athena", "ProcessedBytes", "QueryState", "SUCCEEDED", "QueryType", "DML", "WorkGroup", local.workgroup_name]]
      },
    ],
  )
}

resource "aws_cloudwatch_dashboard" "health" {
  dashboard_name = "${local.prefix}-health"

  dashboard_body = jsonencode({
    start          = "-PT12H"
    periodOverride = "inherit"

    widgets = concat(
      [
        for number, widget in local.alarm_widgets : {
          type   = "alarm"
          x      = 0
          y      = number == 0 ? 0 : 8 * number - 6
          width  = 24
          height = number == 0 ? 2 : 8
          properties = {
            title  = widget.title
            alarms = [for name in widget.names : "arn:${local.partition}:cloudwatch:${var.region}:${var.account_id}:alarm:${name}"]
          }
        }
      ],
      [
        for number, graph in local.graphs : {
          type   = "metric"
          x      = 8 * (number % 3)
          y      = 8 * length(local.alarm_widgets) - 6 + 6 * floor(number / 3)
          width  = 8
          height = 6
          properties = {
            title   = graph.title
            region  = var.region
            view    = "timeSeries"
            stacked = false
            stat    = graph.statistic
            period  = 60
            metrics = graph.metrics
          }
        }
      ],
    )
  })
}
