variable "alarms" {
  type = object({
    freshness_seconds = number
    topic_arn         = string
  })
  nullable    = false
  description = "Topic that hears of trouble, and the age at which a record that is not delivered is trouble."

  validation {
    condition     = var.alarms.freshness_seconds > var.buffering.seconds
    error_message = "alarms.freshness_seconds must be more than buffering.seconds: so long a record waits in any case."
  }
}

variable "bucket_arn" {
  type        = string
  nullable    = false
  description = "ARN of the bucket that is delivered into, which says by which key objects are encrypted."

  validation {
    condition     = can(regex("^arn:[a-z-]+:s3:::[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket_arn))
    error_message = "bucket_arn must be the ARN of a bucket."
  }
}

variable "buffering" {
  type = object({
    mib     = number
    seconds = number
  })
  nullable    = false
  description = "An object is delivered when so many MiB have come, or so many seconds after its first record, whichever is first."

  validation {
    condition     = var.buffering.mib >= (var.parquet == null ? 1 : 64) && var.buffering.mib <= 128 && floor(var.buffering.mib) == var.buffering.mib
    error_message = "buffering.mib must be a whole number of 1 to 128, of 64 to 128 for Parquet: Firehose takes nothing else."
  }

  validation {
    condition     = var.buffering.seconds >= 0 && var.buffering.seconds <= 900 && floor(var.buffering.seconds) == var.buffering.seconds
    error_message = "buffering.seconds must be a whole number of 0 to 900: Firehose takes nothing else."
  }
}

variable "error_prefix" {
  type        = string
  nullable    = false
  description = "Folder of what cannot be converted, by kind of error and hour. It must lie outside of prefix."

  validation {
    condition     = can(regex("^[A-Za-z0-9_.=-][A-Za-z0-9_.=/-]*/$", var.error_prefix)) && !startswith(var.error_prefix, var.prefix)
    error_message = "error_prefix must be a folder such as errors/stream/events/, of letters, digits and _.=-, and not below prefix: what failed is no data."
  }
}

variable "key_arn" {
  type        = string
  nullable    = false
  description = "ARN of the KMS key that encrypts what waits, and the log. Whoever applies this gives Firehose a grant of it."
}

variable "log_retention_days" {
  type        = number
  nullable    = false
  description = "Days the log of deliveries that failed is kept."
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the stream; its log group is /aws/kinesisfirehose/<name>."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,63}$", var.name))
    error_message = "name must be at most 64 lower-case letters, digits and hyphens and start with a letter."
  }
}

variable "parquet" {
  type = object({
    database = string
    table    = string
  })
  default     = null
  description = "For deliveries in Parquet, the Glue table whose columns the fields of the records are; role_arn must be allowed glue:GetTable, glue:GetTableVersion and glue:GetTableVersions of it. Null: lines, as they were sent."

  validation {
    condition     = var.parquet == null ? true : alltrue([for name in values(var.parquet) : can(regex("^[a-z0-9_]{1,255}$", name))])
    error_message = "parquet must name a Glue database and a table of it, in lower-case letters, digits and underscores."
  }
}

variable "prefix" {
  type        = string
  nullable    = false
  description = "Folder that is delivered into, by hour (yyyy/MM/dd/HH, UTC)."

  validation {
    condition     = can(regex("^[A-Za-z0-9_.=-][A-Za-z0-9_.=/-]*/$", var.prefix))
    error_message = "prefix must be a folder such as incoming/stream/events/, of letters, digits and _.=-."
  }
}

variable "role_arn" {
  type        = string
  nullable    = false
  description = "ARN of the role by which Firehose delivers."
}
