variable "account_id" {
  type        = string
  nullable    = false
  description = "Account of the function, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "alarms" {
  type = object({
    age_seconds = number
    topic_arn   = string
  })
  nullable    = false
  description = "Topic that hears of trouble, and the age at which a waiting message is trouble."

  validation {
    condition     = var.alarms.age_seconds >= 60
    error_message = "alarms.age_seconds must be at least 60: SQS reports the age once a minute."
  }
}

variable "code" {
  type = object({
    bucket   = string
    handler  = string
    zip_path = string
  })
  nullable    = false
  description = "The built zip, the handler in it, and the bucket it is put into, under functions/<name>/<sha256>.zip."

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
  description = "Environment of the function. CODE_SHA256, the SHA-256 of the zip, comes with it. No secrets: whoever may read the function reads these."

  validation {
    condition     = !contains(keys(var.environment), "CODE_SHA256")
    error_message = "CODE_SHA256 is set from the zip: leave it out of environment."
  }
}

variable "event_bucket_arns" {
  type        = set(string)
  nullable    = false
  description = "ARNs of the buckets whose notifications the queue takes."

  validation {
    condition     = length(var.event_bucket_arns) > 0 && alltrue([for arn in var.event_bucket_arns : can(regex("^arn:[a-z-]+:s3:::[a-z0-9-]+$", arn))])
    error_message = "event_bucket_arns must name at least one bucket by its whole ARN."
  }
}

variable "key_arn" {
  type        = string
  nullable    = false
  description = "ARN of the key that encrypts environment, log group and queues."
}

variable "log_retention_days" {
  type        = number
  nullable    = false
  description = "Days the function's log is kept."
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the function and of its queue; the dead-letter queue is <name>-dlq."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,63}$", var.name))
    error_message = "name must be at most 64 lower-case letters, digits and hyphens and start with a letter."
  }
}

variable "operators" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "ARNs of roles and users that may, if a policy gives it to them, put messages into the queue and take them out of both queues, to mend what went wrong. Nobody else but the function and the services that send."

  validation {
    condition = alltrue([
      for arn in var.operators :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))
      || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/aws-reserved/sso\\.amazonaws\\.com/\\*AWSReservedSSO_[^*?]+_\\*$", arn))
    ])
    error_message = "operators must be whole ARNs of roles or users, or of permission sets (…:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*)."
  }
}

variable "role_arn" {
  type        = string
  nullable    = false
  description = "ARN of the role the function runs as. It must be able to consume the queue already."

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", var.role_arn))
    error_message = "role_arn must be a role's whole ARN."
  }
}

variable "size" {
  type = object({
    batch_size      = number
    max_concurrency = number
    memory_mb       = number
    timeout_seconds = number
  })
  nullable    = false
  description = "Messages a call takes, calls at once, memory and time of a call."

  validation {
    condition     = var.size.batch_size >= 1 && var.size.batch_size <= 10
    error_message = "size.batch_size must be 1 to 10: more needs a batching window, and with it a delay."
  }

  validation {
    condition     = var.size.max_concurrency >= 2 && var.size.max_concurrency <= 1000
    error_message = "size.max_concurrency must be 2 to 1000: an SQS event source takes nothing else."
  }

  validation {
    condition     = var.size.timeout_seconds >= 1 && var.size.timeout_seconds <= 900
    error_message = "size.timeout_seconds must be 1 to 900: Lambda takes nothing else."
  }
}

variable "vpc" {
  type = object({
    security_group_ids = set(string)
    subnet_ids         = set(string)
  })
  default     = null
  description = "Where the function runs: ids of subnets and of security groups that let it reach S3, SQS and KMS. The role must be able to make network interfaces. Null: outside any network of ours."

  validation {
    condition     = var.vpc == null ? true : length(var.vpc.security_group_ids) > 0 && length(var.vpc.subnet_ids) > 0
    error_message = "vpc needs at least one subnet and one security group: take both from modules/network, or leave vpc out."
  }
}
