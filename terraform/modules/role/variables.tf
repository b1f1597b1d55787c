variable "account_id" {
  type        = string
  nullable    = false
  description = "Account of the role, 12 digits. The service must act for it."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "description" {
  type        = string
  nullable    = false
  description = "What the role is for, in one line."

  validation {
    condition     = length(var.description) > 0 && length(var.description) <= 1000
    error_message = "description must say in 1 to 1000 characters what the role is for."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the role."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,63}$", var.name))
    error_message = "name must be at most 64 lower-case letters, digits and hyphens and start with a letter."
  }
}

variable "policies" {
  type        = map(string)
  nullable    = false
  description = "Inline policies by name, as JSON of aws_iam_policy_document. One for each thing the role does."

  validation {
    condition     = length(var.policies) > 0 && alltrue([for name in keys(var.policies) : can(regex("^[a-z][a-z0-9-]*$", name))])
    error_message = "policies must hold at least one policy, under a name such as read-objects: a role that may do nothing is not needed."
  }

  validation {
    condition     = alltrue([for json in values(var.policies) : can(jsondecode(json).Statement)])
    error_message = "policies must be IAM policies in JSON: pass data.aws_iam_policy_document.<name>.json."
  }
}

variable "service" {
  type        = string
  nullable    = false
  description = "Service that assumes the role, such as lambda.amazonaws.com."

  validation {
    condition     = can(regex("^[a-z0-9-]+\\.amazonaws\\.com$", var.service))
    error_message = "service must be a service principal such as lambda.amazonaws.com."
  }
}

variable "source_arns" {
  type        = set(string)
  nullable    = false
  description = "ARNs of the resources for which the service may assume the role."

  validation {
    condition     = length(var.source_arns) > 0 && alltrue([for arn in var.source_arns : can(regex("^arn:[^*?]+$", arn))])
    error_message = "source_arns must name at least one resource by its whole ARN: without it, any resource of the service could use the role."
  }
}
