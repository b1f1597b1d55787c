variable "account_id" {
  type        = string
  nullable    = false
  description = "ID of the account that the copy is in, 12 digits: not the deployment's."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id)) && var.account_id != var.source_account_id
    error_message = "account_id must be 12 digits and not source_account_id: whoever gets hold of that account would have the copy too."
  }
}

variable "force_destroy" {
  type        = bool
  nullable    = false
  default     = false
  description = "Whether destroying the copy may delete what is in it under GOVERNANCE mode. Only for environments without valuable data."

  validation {
    condition     = !(var.force_destroy && var.retention.mode == "COMPLIANCE")
    error_message = "force_destroy cannot be true with retention.mode COMPLIANCE, in which nothing can be deleted: set it to false."
  }
}

variable "key_window_days" {
  type        = number
  nullable    = false
  default     = 30
  description = "Waiting period in days before the key is deleted."

  validation {
    condition     = var.key_window_days >= 7 && var.key_window_days <= 30
    error_message = "key_window_days must be 7 to 30: KMS accepts no other waiting period."
  }
}

variable "log_days" {
  type        = number
  nullable    = false
  default     = 365
  description = "Days for which the bucket's access logs are kept."

  validation {
    condition     = var.log_days >= 90 && floor(var.log_days) == var.log_days
    error_message = "log_days must be a whole number of at least 90."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the copy: the bucket is <name>-<account_id>, that of its access logs <name>-logs-<account_id>, and the key's alias is alias/<name>."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,44}$", var.name)) && !startswith(var.name, "aws-")
    error_message = "name must be 3 to 45 lower-case letters, digits and hyphens, start with a letter, and not start with aws-."
  }
}

variable "readers" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "ARNs of the roles that read the copy, if their own policies allow it: the deployment's auditors, who compare, and one of this account, who reads it when the deployment's account is lost. They need not exist yet."

  validation {
    condition = alltrue([
      for arn in var.readers :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))
      || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/aws-reserved/sso\\.amazonaws\\.com/\\*AWSReservedSSO_[^*?]+_\\*$", arn))
    ])
    error_message = "readers must be full ARNs of roles, or patterns of permission sets, …:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*."
  }
}

variable "retention" {
  type = object({
    days = number
    mode = string
  })
  nullable    = false
  description = "Object Lock, as the deployment's retention.evidence_days and evidence_mode. A replica has the lock of its original; this is for what has none, the deployment's file."

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.retention.mode) && var.retention.days >= 1 && floor(var.retention.days) == var.retention.days
    error_message = "retention needs a mode, GOVERNANCE or COMPLIANCE, and at least 1 whole day."
  }
}

variable "source_account_id" {
  type        = string
  nullable    = false
  description = "ID of the deployment's account, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.source_account_id))
    error_message = "source_account_id must be 12 digits."
  }
}

variable "source_prefix" {
  type        = string
  nullable    = false
  description = "Prefix of the deployment's names, <name>-<environment>: its role <prefix>-evidence-copy alone writes here."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*-[a-z0-9]+$", var.source_prefix))
    error_message = "source_prefix must be <name>-<environment>, such as custody-prod."
  }
}
