variable "account_id" {
  type        = string
  nullable    = false
  description = "Account ID of the boundary, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "prefix" {
  type        = string
  nullable    = false
  description = "Prefix of the deployment's names, <name>-<environment>: resources with other names cannot be accessed."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*-[a-z][a-z0-9]*$", var.prefix))
    error_message = "prefix must be <name>-<environment>, each in lower-case letters and digits, such as custody-dev: with another hyphen, the pattern custody-dev-* would also match the names of a deployment custody-dev-prod."
  }
}

variable "purpose" {
  type        = string
  nullable    = false
  description = "Which roles the boundary is for. service: roles assumed by services. people: roles assumed by people. ci: the roles that plan and apply the kit."

  validation {
    condition     = contains(["ci", "people", "service"], var.purpose)
    error_message = "purpose must be ci, people or service."
  }
}
