variable "account_id" {
  type        = string
  nullable    = false
  description = "ID of the account, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "boundary_arn" {
  type        = string
  nullable    = false
  description = "ARN of the permissions boundary of both roles that are made here."

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:policy/[^*?]+$", var.boundary_arn))
    error_message = "boundary_arn must be the full ARN of a managed policy of an account: pass the output arn of modules/boundary."
  }
}

variable "environment" {
  type        = map(string)
  nullable    = false
  description = "Environment of the container, besides CODE_SHA256, the image's digest, and QUEUE_URL, if there is a queue. Not secret."

  validation {
    condition     = length(setintersection(keys(var.environment), ["CODE_SHA256", "QUEUE_URL"])) == 0 && alltrue([for name in keys(var.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "Names in environment must be capital letters, digits and underscores; CODE_SHA256 and QUEUE_URL are set here."
  }
}

variable "image" {
  type        = string
  nullable    = false
  description = "The image, for linux/arm64, by its digest: <account>.dkr.ecr.<region>.amazonaws.com/<repository>@sha256:<digest>."

  validation {
    condition     = can(regex("^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/[a-z0-9][a-z0-9._/-]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must be in Amazon ECR and named by its digest, not by a tag, which can be moved: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/custody@sha256:<64 hexadecimal digits>."
  }
}

variable "key_arn" {
  type        = string
  nullable    = false
  description = "ARN of the KMS key that encrypts queues and logs. Its policy must let CloudWatch Logs use it for the log group /aws/ecs/<name>, and senders and task use it for the queue."

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.key_arn))
    error_message = "key_arn must be the ARN of a KMS key: pass the output arn of modules/key."
  }
}

variable "log_retention_days" {
  type        = number
  nullable    = false
  default     = 365
  description = "How long logs are kept, in days."

  validation {
    condition = contains([
      1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
    ], var.log_retention_days)
    error_message = "log_retention_days must be a period that CloudWatch Logs knows, such as 30, 90, 365 or 731."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of cluster, task, container, queue and log group, and what the names of roles, rules and alarms begin with."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,53}$", var.name))
    error_message = "name must be at most 54 lower-case letters, digits and hyphens and start with a letter: the longest name made from it is that of a role, which has at most 64."
  }
}

variable "network" {
  type = object({
    security_group_ids = set(string)
    subnet_ids         = set(string)
  })
  nullable    = false
  description = "Where tasks run, without a public address. From there they must reach Amazon ECR (ecr.api and ecr.dkr), S3, CloudWatch Logs and what they call."

  validation {
    condition     = length(var.network.security_group_ids) > 0 && length(var.network.subnet_ids) > 0
    error_message = "network needs at least one security group and one subnet: pass the outputs of modules/network."
  }
}

variable "queue" {
  type = object({
    operators = optional(set(string), [])
    senders   = set(string)
  })
  default     = null
  description = "ARNs of the roles that send messages, and of those (roles, users and patterns) that may also send and receive by hand. All others are denied. Null: the task has no queue."

  validation {
    condition     = var.queue == null ? true : length(var.queue.senders) > 0 && alltrue([for arn in var.queue.senders : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "queue.senders must have at least one full role ARN: a task without messages does nothing."
  }

  validation {
    condition     = var.queue == null ? true : try(var.start.every_minutes <= 480, false)
    error_message = "queue needs start.every_minutes, at most 480: a task looks into its queue on a schedule, and an alarm waits for three starts, at most a day."
  }
}

variable "start" {
  type = object({
    event = optional(object({
      argument = string
      pattern  = string
    }))
    every_minutes = optional(number)
  })
  nullable    = false
  default     = {}
  description = "What starts a task: every_minutes, without arguments; event, an event of the default bus that matches the pattern (JSON), with the one argument that is at this JSON path in it. Several tasks may run at once. Neither: whoever may run it."

  validation {
    condition     = var.start.every_minutes == null ? true : var.start.every_minutes >= 5 && var.start.every_minutes <= 1440 && floor(var.start.every_minutes) == var.start.every_minutes
    error_message = "start.every_minutes must be a whole number of 5 to 1440: a start takes about a minute."
  }

  validation {
    condition     = var.start.event == null ? true : can(keys(jsondecode(var.start.event.pattern))) && can(regex("^\\$\\.detail(\\.[A-Za-z0-9_-]+)+$", var.start.event.argument))
    error_message = "start.event must be a pattern as a JSON object, and the path of a text in the event's detail, such as $.detail.jobName."
  }
}

variable "task_role_arn" {
  type        = string
  nullable    = false
  description = "ARN of the role with which the task calls AWS. It must be allowed to receive from the queue, if there is one, and trust ecs-tasks.amazonaws.com."

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", var.task_role_arn))
    error_message = "task_role_arn must be the full ARN of a role: pass the output ready_arn of modules/role."
  }
}

variable "topic_arn" {
  type        = string
  nullable    = false
  description = "ARN of the topic for alarms and failed tasks. Its policy must let the rules <name>-failed and <name>-not-started publish."

  validation {
    condition     = can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.topic_arn))
    error_message = "topic_arn must be the ARN of an SNS topic: pass the output topic_arn of modules/alerts."
  }
}
