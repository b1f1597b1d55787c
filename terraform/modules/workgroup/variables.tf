variable "account_id" {
  type        = string
  nullable    = false
  description = "ID of the account that must own the result bucket, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "alarms" {
  type = object({
    failed_per_hour = number
    slow_minutes    = number
    topic_arn       = string
  })
  nullable    = false
  description = "From how many failed queries in an hour, and from how many minutes of one query, an alarm is raised; and the topic that hears of it."

  validation {
    condition     = var.alarms.failed_per_hour >= 1 && floor(var.alarms.failed_per_hour) == var.alarms.failed_per_hour
    error_message = "alarms.failed_per_hour must be a whole number of at least 1."
  }

  validation {
    condition     = var.alarms.slow_minutes > 0 && var.alarms.slow_minutes < 30
    error_message = "alarms.slow_minutes must be more than 0 and less than 30: Athena ends a query after 30 minutes."
  }
}

variable "database" {
  type        = string
  nullable    = false
  description = "Name of the Glue database of the saved queries."

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.database))
    error_message = "database must be lower-case letters, digits and underscores: Athena would require quotes around other names."
  }
}

variable "description" {
  type        = string
  nullable    = false
  description = "What the workgroup is for, in one line."

  validation {
    condition     = length(var.description) > 0 && length(var.description) <= 1024
    error_message = "description must say in 1 to 1024 characters what the workgroup is for."
  }
}

variable "force_destroy" {
  type        = bool
  nullable    = false
  default     = false
  description = "Whether destroying the workgroup may delete its saved queries and query history."
}

variable "key_arn" {
  type        = string
  nullable    = false
  description = "ARN of the KMS key that encrypts the results."
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the workgroup."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,127}$", var.name))
    error_message = "name must be at most 128 lower-case letters, digits and hyphens and start with a letter."
  }
}

variable "queries" {
  type = map(object({
    description = string
    sql         = string
  }))
  nullable    = false
  default     = {}
  description = "Saved queries by name: the question that each answers, and the statement."

  validation {
    condition     = alltrue([for name in keys(var.queries) : can(regex("^[a-z][a-z0-9_]{0,127}$", name))])
    error_message = "A saved query's name must be lower-case letters, digits and underscores."
  }

  validation {
    condition     = alltrue([for query in values(var.queries) : length(query.description) > 0 && length(query.description) <= 1024])
    error_message = "A saved query must say in 1 to 1024 characters which question it answers: its file needs a comment in the first line."
  }

  validation {
    condition     = alltrue([for query in values(var.queries) : length(query.sql) > 0 && length(query.sql) <= 262144])
    error_message = "A saved query's statement must have 1 to 262144 characters: this is Athena's limit."
  }
}

variable "result_bucket" {
  type        = string
  nullable    = false
  description = "Name of the bucket for the results, under results/."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.result_bucket))
    error_message = "result_bucket must be the name of a bucket, not its ARN."
  }
}

variable "scan_limit_bytes" {
  type        = number
  nullable    = false
  description = "Bytes that one query may scan before Athena cancels it."

  validation {
    condition     = var.scan_limit_bytes >= 10485760 && floor(var.scan_limit_bytes) == var.scan_limit_bytes
    error_message = "scan_limit_bytes must be a whole number of at least 10485760 (10 MB): Athena accepts no lower limit."
  }
}
