variable "account_id" {
  type        = string
  nullable    = false
  description = "Account of the network, 12 digits. Nothing leads into another."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "azs" {
  type        = list(string)
  nullable    = false
  description = "Availability zones, a private subnet in each. A subnet's range is its zone's place: add new ones at the end."

  validation {
    condition     = length(var.azs) >= 2 && length(var.azs) <= 6 && length(distinct(var.azs)) == length(var.azs)
    error_message = "azs must be 2 to 6 different zones: with one, its outage is that of everything."
  }

  validation {
    condition     = alltrue([for az in var.azs : can(regex("^[a-z]{2,8}(-[a-z0-9]+)+-[0-9]{1,2}[a-z]$", az))])
    error_message = "azs must be names of availability zones, such as eu-central-1a."
  }
}

variable "bucket_arns" {
  type        = set(string)
  nullable    = false
  description = "ARNs of our buckets, or patterns of them: what is reached through the endpoint of S3. Those of other accounts are refused whatever their names."

  validation {
    condition     = length(var.bucket_arns) > 0 && alltrue([for arn in var.bucket_arns : can(regex("^arn:[a-z-]+:s3:::[a-z0-9][a-z0-9-]+(-\\*-[0-9]{12})?$", arn))])
    error_message = "bucket_arns must name buckets by whole ARNs, or by beginning and account (arn:aws:s3:::custody-dev-*-123456789012)."
  }
}

variable "cidr" {
  type        = string
  nullable    = false
  description = "Private addresses (RFC 1918) of the VPC, /16 to /22. Each subnet has a sixteenth of them."

  validation {
    condition = can(cidrhost(var.cidr, 0)) && try(cidrhost(var.cidr, 0) == split("/", var.cidr)[0], false) && can(
      regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)[0-9.]+/(1[6-9]|2[0-2])$", var.cidr)
    )
    error_message = "cidr must be the beginning of a private range (RFC 1918) and its length, /16 to /22, such as 10.20.0.0/16."
  }
}

variable "flow_log" {
  type = object({
    key_arn        = string
    retention_days = number
    role_arn       = string
  })
  nullable    = false
  description = "The key that encrypts the log of connections, days it is kept, and the role that VPC flow logs write it by. The log group is /aws/vpc/<name>."

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.flow_log.key_arn))
    error_message = "flow_log.key_arn must be a key's whole ARN."
  }

  validation {
    condition     = var.flow_log.retention_days >= 90
    error_message = "flow_log.retention_days must be at least 90: what happened is often asked months later."
  }

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", var.flow_log.role_arn))
    error_message = "flow_log.role_arn must be a role's whole ARN."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the network, and the beginning of the names of all that is in it."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,99}$", var.name))
    error_message = "name must be at most 100 lower-case letters, digits and hyphens and start with a letter."
  }
}

variable "service_bucket_arns" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "Buckets of AWS itself from which a service that runs here reads, by ARN. They are read only."

  validation {
    condition     = alltrue([for arn in var.service_bucket_arns : can(regex("^arn:[a-z-]+:s3:::aws-[a-z0-9-]+$", arn))])
    error_message = "service_bucket_arns must be whole ARNs of buckets whose names begin with aws-: through any other, data could be fetched from anybody."
  }
}

variable "services" {
  type        = set(string)
  nullable    = false
  description = "Services besides S3 that jobs and functions reach, each by an endpoint. Each is billed by the hour and zone."

  validation {
    condition = length(setsubtract(var.services, [
      "athena", "execute-api", "glue", "kms", "logs", "monitoring", "secretsmanager", "sns", "sqs", "sts",
    ])) == 0
    error_message = "services knows athena, execute-api, glue, kms, logs, monitoring, secretsmanager, sns, sqs and sts."
  }

  validation {
    condition     = length(setsubtract(["kms", "logs"], var.services)) == 0
    error_message = "services must have kms and logs: nothing of the kit runs without keys and a log."
  }
}
