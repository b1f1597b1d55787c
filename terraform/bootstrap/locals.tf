# Names and ARNs, built from the inputs alone as in the root, so that what the roles may do is known at plan.

data "aws_partition" "current" {}

locals {
  partition = data.aws_partition.current.partition
  prefix    = "${var.name}-${var.environment}"
  iam       = "arn:${local.partition}:iam::${var.account_id}"

  bucket_names = { for short in ["state", "state-logs"] : short => "${local.prefix}-${short}-${var.account_id}" }
  bucket_arns  = { for short, name in local.bucket_names : short => "arn:${local.partition}:s3:::${name}" }

  # The root's state, its lock file, and the state of this configuration.
  state_key   = "${var.name}/${var.environment}/terraform.tfstate"
  state_arn   = "${local.bucket_arns["state"]}/${local.state_key}"
  lock_arn    = "${local.state_arn}.tflock"
  own_key     = "${var.name}/${var.environment}/bootstrap.tfstate"
  own_objects = "${local.bucket_arns["state"]}/${local.own_key}*"

  role_names = { for short in ["apply", "plan"] : short => "${local.prefix}-${short}" }
  role_arns  = { for short, name in local.role_names : short => "${local.iam}:role/${name}" }

  # ARN patterns of the kit's resources by service: the root's names begin with the prefix.
  kit = {
    alarms       = "arn:${local.partition}:cloudwatch:${var.region}:${var.account_id}:alarm:${local.prefix}-*"
    airflow_logs = "arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:airflow-${local.prefix}-*"
    aliases      = "arn:${local.partition}:kms:${var.region}:${var.account_id}:alias/${local.prefix}-*"
    buckets      = "arn:${local.partition}:s3:::${local.prefix}-*-${var.account_id}"
    catalog      = "arn:${local.partition}:glue:${var.region}:${var.account_id}:catalog"
    code         = "arn:${local.partition}:s3:::${local.prefix}-artifacts-${var.account_id}/*"
    connections  = "arn:${local.partition}:glue:${var.region}:${var.account_id}:connection/${local.prefix}-*"
    dags         = "arn:${local.partition}:s3:::${local.prefix}-airflow-${var.account_id}/*"
    dashboards   = "arn:${local.partition}:cloudwatch::${var.account_id}:dashboard/${local.prefix}-*"
    database     = "arn:${local.partition}:glue:${var.region}:${var.account_id}:database/${local.database}"
    environments = "arn:${local.partition}:airflow:${var.region}:${var.account_id}:environment/${local.prefix}-*"
    functions    = "arn:${local.partition}:lambda:${var.region}:${var.account_id}:function:${local.prefix}-*"
    jobs         = "arn:${local.partition}:glue:${var.region}:${var.account_id}:job/${local.prefix}-*"
    keys         = "arn:${local.partition}:kms:${var.region}:${var.account_id}:key/*"
    log_groups = [
      "arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:/aws-glue/jobs/${local.prefix}-*",
      "arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:/aws/*/${local.prefix}-*",
      "arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:/aws/cloudtrail/${local.prefix}",
      "arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:/aws/cloudtrail/${local.prefix}:*",
      "arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:/aws/vpc/${local.prefix}",
      "arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:/aws/vpc/${local.prefix}:*",
    ]
    mappings = "arn:${local.partition}:lambda:${var.region}:${var.account_id}:event-source-mapping:*"
    queues   = "arn:${local.partition}:sqs:${var.region}:${var.account_id}:${local.prefix}-*"
    registry = "arn:${local.partition}:s3:::${local.prefix}-provenance-${var.account_id}/keys/registry.json"
    roles    = "${local.iam}:role/${local.prefix}-*"
    rulesets = "arn:${local.partition}:glue:${var.region}:${var.account_id}:dataQualityRuleset/${local.prefix}-*"
    rules    = "arn:${local.partition}:events:${var.region}:${var.account_id}:rule/${local.prefix}-*"
    secrets  = "arn:${local.partition}:secretsmanager:${var.region}:${var.account_id}:secret:${local.prefix}-*"
    tasks = [
      for type in ["cluster", "task-definition"] : "arn:${local.partition}:ecs:${var.region}:${var.account_id}:${type}/${local.prefix}-*"
    ]
    streams        = "arn:${local.partition}:firehose:${var.region}:${var.account_id}:deliverystream/${local.prefix}-*"
    tables         = "arn:${local.partition}:glue:${var.region}:${var.account_id}:table/${local.database}/*"
    topics         = "arn:${local.partition}:sns:${var.region}:${var.account_id}:${local.prefix}-*"
    trail          = "arn:${local.partition}:cloudtrail:${var.region}:${var.account_id}:trail/${local.prefix}"
    triggers       = "arn:${local.partition}:glue:${var.region}:${var.account_id}:trigger/${local.prefix}-*"
    user_functions = "arn:${local.partition}:glue:${var.region}:${var.account_id}:userDefinedFunction/${local.database}/*"
    workgroup      = "arn:${local.partition}:athena:${var.region}:${var.account_id}:workgroup/${local.prefix}"
  }
  database = replace("${var.name}_${var.environment}", "-", "_")

  # The resources of a network, by type. Ids are random.
  network = {
    for type in ["route-table", "security-group", "security-group-rule", "subnet", "vpc", "vpc-endpoint", "vpc-flow-log"] :
    type => "arn:${local.partition}:ec2:${var.region}:${var.account_id}:${type}/*"
  }

  # A key's id is random: the kit's keys are identified by their tags, and so are the resources of a network.
  kit_tags = { project = var.name, environment = var.environment, managed_by = "terraform" }
}
