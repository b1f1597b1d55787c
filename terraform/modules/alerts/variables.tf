variable "account_id" {
  type        = string
  nullable    = false
  description = "ID of the account whose alarms and rules may publish, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "emails" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "E-mail addresses that receive the messages. Each must confirm its subscription once."

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@\\s<>]+@[^@\\s<>]+\\.[^@\\s<>]+$", email))])
    error_message = "emails must be e-mail addresses such as ops@example.org."
  }
}

variable "finding_emails" {
  type        = map(set(string))
  nullable    = false
  default     = {}
  description = "E-mail addresses that receive only messages whose attribute severity is one of these values, and so no alarms: those have no attributes."

  validation {
    condition = alltrue([
      for email, severities in var.finding_emails :
      can(regex("^[^@\\s<>]+@[^@\\s<>]+\\.[^@\\s<>]+$", email)) && length(severities) > 0
    ])
    error_message = "finding_emails must be e-mail addresses such as ops@example.org, each with at least one severity."
  }

  validation {
    condition     = length(setintersection(keys(var.finding_emails), var.emails)) == 0
    error_message = "An address in finding_emails is also in emails: leave it out of one of them, since an address has one subscription to a topic."
  }
}

variable "key_window_days" {
  type        = number
  nullable    = false
  default     = 30
  description = "Waiting period in days before the topic's key is deleted."

  validation {
    condition     = var.key_window_days >= 7 && var.key_window_days <= 30
    error_message = "key_window_days must be 7 to 30: KMS accepts no other waiting period."
  }
}

variable "prefix" {
  type        = string
  nullable    = false
  description = "Prefix of the deployment's names, <name>-<environment>: the topic is <prefix>-alerts, and alarms and rules whose names begin with <prefix>- may publish."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*-[a-z][a-z0-9]*$", var.prefix))
    error_message = "prefix must be <name>-<environment>, each in lower-case letters and digits, such as custody-dev: with another hyphen, the pattern custody-dev-* would also match the names of a deployment custody-dev-prod."
  }
}

variable "publishers" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "ARNs of the roles that may publish, in addition to the alarms and rules. All others are denied."

  validation {
    condition     = alltrue([for arn in var.publishers : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "publishers must be full ARNs of roles."
  }
}
