variable "account_id" {
  description = "ID of the account that the deployment is in, 12 digits."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "deployers" {
  description = "ARNs of the roles and users that plan and apply the deployment: only they may change what protects evidence. Patterns are allowed."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.deployers) > 0 && alltrue([for arn in var.deployers : startswith(arn, "arn:")])
    error_message = "deployers must be one ARN or more: otherwise nobody could apply the deployment any more."
  }
}

variable "evidence_buckets" {
  description = "Names of the buckets with evidence: receipts and CloudTrail's log files."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.evidence_buckets) > 0 && alltrue([for name in var.evidence_buckets : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", name))])
    error_message = "evidence_buckets must be one name of a bucket or more."
  }
}

variable "prefix" {
  description = "Prefix of the deployment's names, <name>-<environment>."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*-[a-z0-9]+$", var.prefix))
    error_message = "prefix must be <name>-<environment>, such as custody-dev."
  }
}

variable "targets" {
  description = "Accounts, organizational units or roots, by id, that the policies are attached to. Empty: nothing is created, and the outputs are the policies."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.targets : can(regex("^([0-9]{12}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|r-[0-9a-z]{4,32})$", id))])
    error_message = "targets must be ids of accounts (12 digits), organizational units (ou-…) or roots (r-…)."
  }
}

variable "trail_name" {
  description = "Name of the trail that logs the deployment's events."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._-]{2,127}$", var.trail_name))
    error_message = "trail_name must be the name of a trail."
  }
}
