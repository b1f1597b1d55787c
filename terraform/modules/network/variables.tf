variable "account_id" {
  type        = string
  nullable    = false
  description = "Account ID of the network, 12 digits. No other account can be reached from it."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "azs" {
  type        = list(string)
  nullable    = false
  description = "Availability Zones, with a private subnet in each. A subnet's range depends on its zone's position: add new zones at the end."

  validation {
    condition     = length(var.azs) >= 2 && length(var.azs) <= 6 && length(distinct(var.azs)) == length(var.azs)
    error_message = "azs must be 2 to 6 different zones: with one, an outage of it would stop everything."
  }

  validation {
    condition     = alltrue([for az in var.azs : can(regex("^[a-z]{2,8}(-[a-z0-9]+)+-[0-9]{1,2}[a-z]$", az))])
    error_message = "azs must be names of availability zones, such as eu-central-1a."
  }
}

variable "bucket_arns" {
  type        = set(string)
  nullable    = false
  description = "ARNs or ARN patterns of the buckets that can be reached through the S3 endpoint. Buckets of other accounts are denied whatever their names."

  validation {
    condition     = length(var.bucket_arns) > 0 && alltrue([for arn in var.bucket_arns : can(regex("^arn:[a-z-]+:s3:::[a-z0-9][a-z0-9-]+(-\\*-[0-9]{12})?$", arn))])
    error_message = "bucket_arns must be full bucket ARNs, or patterns that end in the account ID (arn:aws:s3:::custody-dev-*-123456789012)."
  }
}

variable "cidr" {
  type        = string
  nullable    = false
  description = "Private address range (RFC 1918) of the VPC, /16 to /22. Each subnet has a sixteenth of it."

  validation {
    condition = can(cidrhost(var.cidr, 0)) && try(cidrhost(var.cidr, 0) == split("/", var.cidr)[0], false) && can(
      regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)[0-9.]+/(1[6-9]|2[0-2])$", var.cidr)
    )
    error_message = "cidr must be a private range (RFC 1918) with a prefix length of /16 to /22, such as 10.20.0.0/16."
  }
}

variable "flow_log" {
  type = object({
    key_arn        = string
    retention_days = number
    role_arn       = string
  })
  nullable    = false
  description = "The key that encrypts the VPC flow log, days that it is kept, and the role that writes it. The log group is /aws/vpc/<name>."

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.flow_log.key_arn))
    error_message = "flow_log.key_arn must be a full key ARN."
  }

  validation {
    condition     = var.flow_log.retention_days >= 90
    error_message = "flow_log.retention_days must be at least 90: incidents are often investigated months later."
  }

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", var.flow_log.role_arn))
    error_message = "flow_log.role_arn must be a full role ARN."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the network, and prefix of the names of all resources in it."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,99}$", var.name))
    error_message = "name must be at most 100 lower-case letters, digits and hyphens and start with a letter."
  }
}

variable "read_bucket_arns" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "ARNs of further buckets of the account, whose object versions can be read through the S3 endpoint, and nothing else."

  validation {
    condition     = alltrue([for arn in var.read_bucket_arns : can(regex("^arn:[a-z-]+:s3:::[a-z0-9][a-z0-9.-]+[a-z0-9]$", arn))])
    error_message = "read_bucket_arns must be full bucket ARNs."
  }
}

variable "service_bucket_arns" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "ARNs of buckets owned by AWS from which a service that runs here reads. Only reads are allowed."

  validation {
    condition     = alltrue([for arn in var.service_bucket_arns : can(regex("^arn:[a-z-]+:s3:::aws-[a-z0-9-]+$", arn))])
    error_message = "service_bucket_arns must be full ARNs of buckets whose names begin with aws-: other names could belong to anybody."
  }
}

variable "services" {
  type        = set(string)
  nullable    = false
  description = "Services besides S3 that jobs and functions call, each through an interface endpoint, which is billed per hour and zone."

  validation {
    condition = length(setsubtract(var.services, [
      "athena", "ecr.api", "ecr.dkr", "events", "execute-api", "glue", "kms", "logs", "monitoring", "secretsmanager", "sns", "sqs", "sts",
    ])) == 0
    error_message = "services may have only athena, ecr.api, ecr.dkr, events, execute-api, glue, kms, logs, monitoring, secretsmanager, sns, sqs and sts."
  }

  validation {
    condition     = length(setsubtract(["kms", "logs"], var.services)) == 0
    error_message = "services must have kms and logs: every function and job needs both."
  }
}

variable "trail_folder_arn" {
  type        = string
  default     = null
  description = "ARN of the folder with this account's files of a trail that somebody else has, in the bucket of any account: they can be read through the S3 endpoint. Null: there is none."

  validation {
    condition     = var.trail_folder_arn == null ? true : can(regex("^arn:[a-z-]+:s3:::[a-z0-9][a-z0-9.-]+[a-z0-9]/([^*?$]+/)?AWSLogs/(o-[a-z0-9]+/)?[0-9]{12}/$", var.trail_folder_arn))
    error_message = "trail_folder_arn must be the ARN of a folder [<prefix>/]AWSLogs/[<organization>/]<account>/ in a bucket."
  }
}
