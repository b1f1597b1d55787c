variable "database" {
  type        = string
  nullable    = false
  description = "Name of the Glue database."

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.database))
    error_message = "database must be lower-case letters, digits and underscores: Athena would require quotes around other names."
  }
}

variable "description" {
  type        = string
  nullable    = false
  description = "What the database is for, in one line."

  validation {
    condition     = length(var.description) > 0 && length(var.description) <= 2048
    error_message = "description must say in 1 to 2048 characters what the database is for."
  }
}

variable "layers" {
  type        = map(string)
  nullable    = false
  description = "Layer of each bucket, by bucket name: bronze, silver or gold (the lake), adopted (buckets that somebody else has), provenance (the evidence) or audit_log. Other buckets are unknown."

  validation {
    condition     = length(var.layers) > 0 && alltrue([for layer in values(var.layers) : contains(["adopted", "audit_log", "bronze", "gold", "provenance", "silver"], layer)])
    error_message = "layers must have at least one bucket, with one of the layers bronze, silver, gold, adopted, provenance or audit_log."
  }

  validation {
    condition     = alltrue([for bucket in keys(var.layers) : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", bucket))])
    error_message = "The keys of layers must be names of buckets."
  }
}

variable "people_role_prefix" {
  type        = string
  nullable    = false
  description = "Prefix of the names of roles that people assume, apart from those of Identity Center: their session names are names of persons."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*-$", var.people_role_prefix))
    error_message = "people_role_prefix must be lower-case letters, digits and hyphens and end in a hyphen, such as custody-dev-people-."
  }
}

variable "receipts" {
  type = object({
    bucket             = string
    recorder_role_arns = list(string)
    sealer_role_arn    = string
  })
  nullable    = false
  description = "Where receipts are stored (bucket name; they are under provenance/), the only roles that write them, and the only one that writes the log and its segments."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.receipts.bucket)) && lookup(var.layers, var.receipts.bucket, "") == "provenance"
    error_message = "receipts.bucket must be the name of a bucket whose layer in layers is provenance."
  }

  validation {
    condition     = length(var.receipts.recorder_role_arns) > 0 && alltrue([for arn in var.receipts.recorder_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*']+$", arn))])
    error_message = "receipts.recorder_role_arns must be full ARNs of roles, at least one."
  }

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*']+$", var.receipts.sealer_role_arn))
    error_message = "receipts.sealer_role_arn must be the full ARN of a role."
  }
}

variable "recorded_prefixes" {
  type        = map(list(string))
  nullable    = false
  description = "What must have a receipt: key prefixes by bucket name. The empty prefix is the whole bucket."

  validation {
    condition     = alltrue([for bucket in keys(var.recorded_prefixes) : contains(["adopted", "bronze", "gold", "silver"], lookup(var.layers, bucket, ""))])
    error_message = "The keys of recorded_prefixes must be names of buckets whose layer in layers is bronze, silver, gold or adopted."
  }

  validation {
    condition     = alltrue([for prefixes in values(var.recorded_prefixes) : length(prefixes) > 0])
    error_message = "recorded_prefixes needs at least one prefix for each bucket: write [\"\"] for the whole bucket, or leave the bucket out."
  }
}

variable "sql_path" {
  type        = string
  nullable    = false
  description = "Folder of the SQL files: tables/<name>.sql and views/<name>.sql."

  validation {
    condition     = length(fileset(var.sql_path, "tables/*.sql")) > 0 && length(fileset(var.sql_path, "views/*.sql")) > 0
    error_message = "sql_path must be a folder with tables/*.sql and views/*.sql."
  }
}

variable "trail_log" {
  type = object({
    accounts = set(string)
    bucket   = string
    folder   = optional(string, "AWSLogs/")
    regions  = set(string)
    since    = string
  })
  nullable    = false
  description = "Where the trail's log files are (bucket, under <folder><account>/CloudTrail/<region>/<day>/), for which accounts and regions, and since which day (YYYY-MM-DD). Others are not read."

  validation {
    condition     = length(var.trail_log.accounts) > 0 && alltrue([for account in var.trail_log.accounts : can(regex("^[0-9]{12}$", account))])
    error_message = "trail_log.accounts must have at least one account ID of 12 digits."
  }

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.trail_log.bucket))
    error_message = "trail_log.bucket must be the name of a bucket."
  }

  validation {
    condition     = can(regex("^([^'$]+/)?AWSLogs/(o-[a-z0-9]{10,32}/)?$", var.trail_log.folder))
    error_message = "trail_log.folder must be AWSLogs/, with the trail's prefix before it and the organization's ID after it, if it has them, such as logs/AWSLogs/o-exampleorgid/."
  }

  validation {
    condition     = length(var.trail_log.regions) > 0 && alltrue([for region in var.trail_log.regions : can(regex("^[a-z]{2,8}(-[a-z0-9]+)+-[0-9]{1,2}$", region))])
    error_message = "trail_log.regions must have at least one AWS Region, such as eu-central-1."
  }

  validation {
    condition     = can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", var.trail_log.since)) && can(timeadd("${var.trail_log.since}T00:00:00Z", "0s"))
    error_message = "trail_log.since must be a day such as 2026-01-31."
  }
}

variable "watermark_minutes" {
  type        = number
  nullable    = false
  description = "Minutes until a receipt or trail event counts as missing and not just late."

  validation {
    condition     = var.watermark_minutes >= 0 && var.watermark_minutes <= 1440 && floor(var.watermark_minutes) == var.watermark_minutes
    error_message = "watermark_minutes must be a whole number of 0 to 1440."
  }
}
