variable "account_id" {
  type        = string
  nullable    = false
  description = "Account ID of the trail, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "bucket" {
  type        = string
  nullable    = false
  description = "Name of the bucket for the log files, whose policy allows this trail to write."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket must be the name of a bucket, not its ARN."
  }
}

variable "data_bucket_arns" {
  type        = set(string)
  nullable    = false
  description = "ARNs of the buckets for whose objects reads and writes are logged."

  validation {
    condition = length(var.data_bucket_arns) > 0 && alltrue([
      for arn in var.data_bucket_arns : can(regex("^arn:[a-z-]+:s3:::[a-z0-9][a-z0-9-]+[a-z0-9]$", arn))
    ])
    error_message = "data_bucket_arns must have at least one bucket, each by its full ARN: a trail without data events proves nothing."
  }

  validation {
    condition     = !contains([for arn in var.data_bucket_arns : element(split(":::", arn), 1)], var.bucket)
    error_message = "data_bucket_arns must not include the trail's own bucket: it would log its own deliveries without end."
  }
}

variable "data_prefix_arns" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "Beginnings of the ARNs of objects in further buckets whose reads and writes are logged: a bucket's ARN, a slash, and a prefix or nothing."

  validation {
    condition     = alltrue([for arn in var.data_prefix_arns : can(regex("^arn:[a-z-]+:s3:::[a-z0-9][a-z0-9.-]+[a-z0-9]/[^*?]*$", arn))])
    error_message = "data_prefix_arns must be full bucket ARNs with a slash and a prefix: without the slash, it would also be the beginning of another bucket's name."
  }

  validation {
    condition     = !contains([for arn in var.data_prefix_arns : split("/", element(split(":::", arn), 1))[0]], var.bucket)
    error_message = "data_prefix_arns must not include the trail's own bucket: it would log its own deliveries without end."
  }
}

variable "existing_arn" {
  type        = string
  default     = null
  description = "ARN of a trail that somebody has and that logs this: no trail and no log group are made, only the alarms that EventBridge raises. Null: the trail is made."

  validation {
    condition     = var.existing_arn == null ? true : can(regex("^arn:[a-z-]+:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]$", var.existing_arn))
    error_message = "existing_arn must be the full ARN of a trail."
  }
}

variable "function_arns" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "ARNs of the functions whose invocations are logged."

  validation {
    condition     = alltrue([for arn in var.function_arns : can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+$", arn))])
    error_message = "function_arns must be full ARNs of functions, without version or alias: invocations of those are logged too."
  }
}

variable "guarded" {
  type = object({
    buckets            = optional(set(string), [])
    deployers          = optional(set(string), [])
    emergency_role_arn = string
    key_arns           = optional(list(string), [])
    queues             = optional(set(string), [])
  })
  nullable    = false
  description = "Resources with alarms on changes. buckets: names of evidence buckets, in addition to the trail's own, whose opening or change raises an alarm; deployers: ARNs of roles and users that apply this, whose alarms, rules and dashboards raise none (give a role of Identity Center as a pattern); emergency_role_arn: the emergency role, whose every use raises an alarm (give a role of Identity Center as a pattern); key_arns: keys for which disabling, scheduled deletion and a new policy raise an alarm; queues: names of queues whose emptying, deletion or change raises an alarm."

  validation {
    condition     = alltrue([for name in var.guarded.buckets : can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", name))])
    error_message = "guarded.buckets must be names of buckets, not their ARNs."
  }

  validation {
    condition = alltrue([
      for arn in var.guarded.deployers :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))
      || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/aws-reserved/sso\\.amazonaws\\.com/\\*AWSReservedSSO_[^*?]+_\\*$", arn))
    ])
    error_message = "guarded.deployers must be full ARNs of roles or users, or patterns of permission sets (…:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*)."
  }

  validation {
    condition     = alltrue([for name in var.guarded.queues : can(regex("^[A-Za-z0-9_-]{1,80}$", name))])
    error_message = "guarded.queues must be names of queues, not their ARNs or URLs."
  }

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/([^*?\"]+|aws-reserved/sso\\.amazonaws\\.com/\\*AWSReservedSSO_[^*?\"]+_\\*)$", var.guarded.emergency_role_arn))
    error_message = "guarded.emergency_role_arn must be a full role ARN, or the pattern of a permission set, …:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*."
  }
}

variable "logs" {
  type = object({
    key_arn        = string
    retention_days = number
    role_arn       = string
  })
  default     = null
  description = "The ARN of the KMS key that encrypts the log files, the digests and the log group; days that the log group keeps events (the log files in the bucket are not affected), and the ARN of the role with which CloudTrail writes to it. Null only with existing_arn."

  validation {
    condition     = (var.logs == null) != (var.existing_arn == null)
    error_message = "Either logs or existing_arn must be given: a trail is made, or there is one."
  }

  validation {
    condition     = var.logs == null ? true : contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.logs.retention_days)
    error_message = "logs.retention_days must be a retention that CloudWatch Logs offers, such as 30, 90, 180, 365, 731 or 3653."
  }

  validation {
    condition     = var.logs == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*]+$", var.logs.role_arn))
    error_message = "logs.role_arn must be the full ARN of a role."
  }
}

variable "management_events" {
  type        = bool
  nullable    = false
  default     = true
  description = "Whether to log management write events too. The alarms of this module need a trail that does: set it to false only if another trail, such as the organization's, logs them (AWS bills a second copy)."
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the trail. Its log group is /aws/cloudtrail/<name>, its rules are <name>-…."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,40}$", var.name))
    error_message = "name must be 3 to 41 lower-case letters, digits and hyphens and start with a letter: rule names are made from it."
  }
}

variable "topic_arn" {
  type        = string
  nullable    = false
  description = "ARN of the topic for alarms, such as a change of the trail or its bucket."

  validation {
    condition     = can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[^*]+$", var.topic_arn))
    error_message = "topic_arn must be the full ARN of an SNS topic."
  }
}

variable "unlogged_readers" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "ARNs of roles whose reads of objects in guarded.buckets are not logged. Their writes there and all their access to other buckets are logged."

  validation {
    condition     = alltrue([for arn in var.unlogged_readers : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[a-z][a-z0-9-]{0,63}$", arn))])
    error_message = "unlogged_readers must be full ARNs of roles, without a path: with a pattern, anybody could create a matching role whose reads are not logged."
  }

  validation {
    condition     = !contains(var.unlogged_readers, var.guarded.emergency_role_arn)
    error_message = "unlogged_readers must not include guarded.emergency_role_arn: every use of it is logged and raises an alarm."
  }
}
