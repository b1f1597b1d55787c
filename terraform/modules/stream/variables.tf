variable "alarms" {
  type = object({
    freshness_seconds = number
    topic_arn         = string
  })
  nullable    = false
  description = "Topic for alarms, and the age at which an undelivered record raises one."

  validation {
    condition     = var.alarms.freshness_seconds > var.buffering.seconds
    error_message = "alarms.freshness_seconds must be more than buffering.seconds: records may always wait that long."
  }
}

variable "bucket_arn" {
  type        = string
  nullable    = false
  description = "ARN of the destination bucket. Its default encryption decides which key encrypts the objects."

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
  description = "Buffering hints: an object is delivered after mib MiB of records, or seconds after its first record, whichever is first."

  validation {
    condition     = var.buffering.mib >= (var.parquet == null ? 1 : 64) && var.buffering.mib <= 128 && floor(var.buffering.mib) == var.buffering.mib
    error_message = "buffering.mib must be a whole number of 1 to 128, of 64 to 128 for Parquet: Firehose accepts no other value."
  }

  validation {
    condition     = var.buffering.seconds >= 0 && var.buffering.seconds <= 900 && floor(var.buffering.seconds) == var.buffering.seconds
    error_message = "buffering.seconds must be a whole number of 0 to 900: Firehose accepts no other value."
  }
}

variable "error_prefix" {
  type        = string
  nullable    = false
  description = "Folder for records that cannot be converted, by error type and hour. It must be outside of prefix."

  validation {
    condition     = can(regex("^[A-Za-z0-9_.=-][A-Za-z0-9_.=/-]*/$", var.error_prefix)) && !startswith(var.error_prefix, var.prefix)
    error_message = "error_prefix must be a folder such as errors/stream/events/, of letters, digits and _.=-, and not below prefix: failed records are not data."
  }
}

variable "key_arn" {
  type        = string
  nullable    = false
  description = "ARN of the KMS key that encrypts buffered records and the log. The role that applies this gives Firehose a grant for it."
}

variable "log_retention_days" {
  type        = number
  nullable    = false
  description = "Days that the log of failed deliveries is kept."
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
  description = "For delivery as Parquet: the Glue table whose columns define the schema; role_arn must be allowed glue:GetTable, glue:GetTableVersion and glue:GetTableVersions on it. Null: lines, as they were sent."

  validation {
    condition     = var.parquet == null ? true : alltrue([for name in values(var.parquet) : can(regex("^[a-z0-9_]{1,255}$", name))])
    error_message = "parquet must name a Glue database and a table of it, in lower-case letters, digits and underscores."
  }
}

variable "prefix" {
  type        = string
  nullable    = false
  description = "Destination folder; objects are delivered into subfolders by hour (yyyy/MM/dd/HH, UTC)."

  validation {
    condition     = can(regex("^[A-Za-z0-9_.=-][A-Za-z0-9_.=/-]*/$", var.prefix))
    error_message = "prefix must be a folder such as incoming/stream/events/, of letters, digits and _.=-."
  }
}

variable "role_arn" {
  type        = string
  nullable    = false
  description = "ARN of the role with which Firehose delivers."
}
