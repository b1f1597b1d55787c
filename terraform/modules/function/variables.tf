variable "account_id" {
  type        = string
  nullable    = false
  description = "Account ID of the function, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "code" {
  type = object({
    bucket   = string
    handler  = string
    zip_path = string
  })
  nullable    = false
  description = "The built zip, its handler, and the bucket that it is uploaded to, under functions/<name>/<sha256>.zip."

  validation {
    condition     = fileexists(var.code.zip_path)
    error_message = "There is no zip at ${var.code.zip_path}: run make build."
  }

  validation {
    condition     = can(regex("^[a-z_]+\\.[a-z_]+\\.[a-z_]+$", var.code.handler))
    error_message = "code.handler must be package.module.function, such as recorder.handler.handler."
  }
}

variable "environment" {
  type        = map(string)
  nullable    = false
  default     = {}
  description = "Environment variables of the function. CODE_SHA256, the SHA-256 of the zip, is added. No secrets: whoever may read the function's configuration can read them."

  validation {
    condition     = !contains(keys(var.environment), "CODE_SHA256")
    error_message = "CODE_SHA256 is set from the zip: leave it out of environment."
  }
}

variable "key_arn" {
  type        = string
  nullable    = false
  description = "ARN of the key that encrypts environment variables, log group and queue."
}

variable "log_retention_days" {
  type        = number
  nullable    = false
  description = "Days that the function's log is kept."
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the function and of its queue (the dead-letter queue is <name>-dlq), and prefix of its rules' names."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,63}$", var.name))
    error_message = "name must be at most 64 lower-case letters, digits and hyphens and start with a letter."
  }
}

variable "queue" {
  type = object({
    age_seconds          = number
    batch_size           = number
    batch_window_seconds = optional(number, 0)
    event_bucket_arns    = set(string)
    event_rule_arns      = optional(set(string), [])
    max_concurrency      = number
    operators            = optional(set(string), [])
  })
  default     = null
  description = "For a function that processes a queue: ARNs of the buckets that send notifications and of the EventBridge rules that send events, messages per invocation and the seconds to wait for them, concurrent invocations, and the age at which a waiting message raises an alarm. operators: ARNs of roles and users that may, if their policies allow it, send messages to the queue and receive them from both queues, for repairs; apart from them, only the function and the sending services may."

  validation {
    condition     = var.queue == null ? true : var.queue.age_seconds >= 60
    error_message = "queue.age_seconds must be at least 60: SQS reports the age once a minute."
  }

  validation {
    condition     = var.queue == null ? true : var.queue.batch_size >= 1 && var.queue.batch_size <= (var.queue.batch_window_seconds > 0 ? 10000 : 10)
    error_message = "queue.batch_size must be 1 to 10, or with queue.batch_window_seconds 1 to 10000."
  }

  validation {
    condition     = var.queue == null ? true : var.queue.batch_window_seconds >= 0 && var.queue.batch_window_seconds <= 300
    error_message = "queue.batch_window_seconds must be 0 to 300: Lambda waits no longer for a batch."
  }

  validation {
    condition = var.queue == null ? true : length(var.queue.event_bucket_arns) > 0 && alltrue([
      for arn in var.queue.event_bucket_arns : can(regex("^arn:[a-z-]+:s3:::[a-z0-9-]+$", arn))
    ])
    error_message = "queue.event_bucket_arns must have at least one full bucket ARN."
  }

  validation {
    condition     = var.queue == null ? true : alltrue([for arn in var.queue.event_rule_arns : can(regex("^arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:rule/[A-Za-z0-9._-]+$", arn))])
    error_message = "queue.event_rule_arns must be full ARNs of EventBridge rules."
  }

  validation {
    condition     = var.queue == null ? true : var.queue.max_concurrency >= 2 && var.queue.max_concurrency <= 1000
    error_message = "queue.max_concurrency must be 2 to 1000: an SQS event source accepts no other value."
  }

  validation {
    condition = var.queue == null ? true : alltrue([
      for arn in var.queue.operators :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))
      || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/aws-reserved/sso\\.amazonaws\\.com/\\*AWSReservedSSO_[^*?]+_\\*$", arn))
    ])
    error_message = "queue.operators must be full ARNs of roles or users, or patterns of permission sets (…:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*)."
  }
}

variable "role_arn" {
  type        = string
  nullable    = false
  description = "ARN of the function's execution role. It must already be allowed to consume the queue and, with rules, to publish to the topic."

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", var.role_arn))
    error_message = "role_arn must be a full role ARN."
  }
}

variable "rules" {
  type = map(object({
    description   = string
    event_pattern = optional(string)
    every_minutes = optional(number)
    input         = optional(string)
  }))
  nullable    = false
  default     = {}
  description = "For a function that EventBridge invokes: rules by name (the rule is called <function name>-<name>), each with a description, either an event pattern (JSON) or a schedule in minutes, and optionally an input (JSON) instead of the event."

  validation {
    condition     = alltrue([for name in keys(var.rules) : can(regex("^[a-z][a-z0-9-]*$", name)) && length("${var.name}-${name}") <= 64])
    error_message = "A name in rules must be lower-case letters, digits and hyphens, and not exceed 64 characters together with the function's name: this is EventBridge's limit."
  }

  validation {
    condition     = alltrue([for rule in values(var.rules) : (rule.event_pattern == null) != (rule.every_minutes == null)])
    error_message = "A rule needs exactly one of event_pattern and every_minutes: use two rules for a schedule and for events."
  }

  validation {
    condition     = alltrue([for rule in values(var.rules) : alltrue([for text in [rule.event_pattern, rule.input] : text == null || can(jsondecode(text))])])
    error_message = "event_pattern and input in rules must be JSON: write them with jsonencode."
  }

  validation {
    condition = alltrue([
      for rule in values(var.rules) :
      rule.every_minutes == null ? true : rule.every_minutes >= 1 && rule.every_minutes <= 1440 && floor(rule.every_minutes) == rule.every_minutes
    ])
    error_message = "every_minutes in rules must be a whole number of 1 to 1440: no alarm could watch a function that runs less often than daily."
  }
}

variable "size" {
  type = object({
    memory_mb       = number
    timeout_seconds = number
  })
  nullable    = false
  description = "Memory and timeout of the function."

  validation {
    condition     = var.size.timeout_seconds >= 1 && var.size.timeout_seconds <= 900
    error_message = "size.timeout_seconds must be 1 to 900: Lambda accepts no other timeout."
  }
}

variable "topic_arn" {
  type        = string
  nullable    = false
  description = "ARN of the topic for alarms, which also receives events of rules that could not be processed."
}

variable "vpc" {
  type = object({
    security_group_ids = set(string)
    subnet_ids         = set(string)
  })
  default     = null
  description = "Ids of the subnets and security groups in which the function runs; they must let it reach S3, SQS and KMS. The role must be allowed to create network interfaces. Null: not in a VPC."

  validation {
    condition     = var.vpc == null ? true : length(var.vpc.security_group_ids) > 0 && length(var.vpc.subnet_ids) > 0
    error_message = "vpc needs at least one subnet and one security group: take both from modules/network, or leave vpc out."
  }
}
