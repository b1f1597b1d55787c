# Where to look: the pages of the console about this deployment, and Snowflake. Their addresses may change.

locals {
  # https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html
  console_domain = lookup({
    aws        = "console.aws.amazon.com"
    aws-cn     = "console.amazonaws.cn"
    aws-us-gov = "console.amazonaws-us-gov.com"
  }, local.partition, null)

  console_pages = merge(
    {
      alarms            = { tool = "cloudwatch", page = "alarmsV2:" }
      athena_workgroup  = { tool = "athena", page = "/workgroups/details/${local.workgroup_name}" }
      cloudtrail_events = { tool = "cloudtrailv2", page = "/events" }
      dashboard         = { tool = "cloudwatch", page = "dashboards/dashboard/${aws_cloudwatch_dashboard.health.dashboard_name}" }
      evidence_at_risk  = { tool = "cloudwatch", page = "alarmsV2:alarm/${aws_cloudwatch_composite_alarm.evidence_at_risk.alarm_name}" }
      sns_topic         = { tool = "sns/v3", page = "/topic/${local.topic_arn}" }
    },
    var.orchestrator == null ? {} : { airflow = { tool = "mwaa", page = "environments/${local.orchestrator_name}" } },
    local.has_tables ? { glue_jobs = { tool = "gluestudio", page = "/jobs" } } : {},
  )

  monitoring_urls = merge(
    # None in a partition whose console this does not know.
    {
      for name, each in local.console_pages :
      name => "https://${var.region}.${local.console_domain}/${each.tool}/home?region=${var.region}#${each.page}" if local.console_domain != null
    },
    # https://docs.snowflake.com/en/user-guide/organizations-connect
    var.snowflake == null ? {} : { snowflake = "https://${lower(replace(var.snowflake.account, "_", "-"))}.snowflakecomputing.com" },
  )
}
