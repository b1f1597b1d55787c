variable "account_id" {
  type        = string
  nullable    = false
  description = "ID of the account in which the permission sets are assigned, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "boundary_name" {
  type        = string
  nullable    = false
  description = "Name of the permissions boundary for people: a managed policy of the account, without a path."

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@_-]{1,128}$", var.boundary_name))
    error_message = "boundary_name must be the name of a managed policy, not its ARN: Identity Center finds it by name in each account."
  }
}

variable "instance" {
  type = object({
    arn               = string
    identity_store_id = string
  })
  default     = null
  description = "Instance of IAM Identity Center and the identity store with its groups. Null: they are looked up, which only the organization's management account or a delegated administrator may do."

  validation {
    condition     = var.instance == null ? true : can(regex("^arn:[a-z-]+:sso:::instance/ssoins-[a-z0-9]+$", var.instance.arn))
    error_message = "instance.arn must be the ARN of an instance, such as arn:aws:sso:::instance/ssoins-1234567890abcdef (aws sso-admin list-instances shows it)."
  }

  validation {
    condition     = var.instance == null ? true : can(regex("^d-[a-z0-9]{10}$", var.instance.identity_store_id))
    error_message = "instance.identity_store_id must be the id of an identity store, such as d-1234567890 (aws sso-admin list-instances shows it)."
  }
}

variable "personas" {
  type = map(object({
    description   = string
    group_ids     = optional(set(string), [])
    group_names   = optional(set(string), [])
    policies      = map(string)
    session_hours = number
  }))
  nullable    = false
  description = "The personas by name: description, the groups that have it (by id, or by display name, which is looked up), policies by name as JSON of aws_iam_policy_document, and session duration."

  validation {
    condition     = length(var.personas) > 0 && alltrue([for name in keys(var.personas) : can(regex("^[a-z][a-z-]*$", name))])
    error_message = "personas must have at least one entry, with a name of lower-case letters and hyphens such as data-engineer."
  }

  validation {
    condition     = alltrue([for name in keys(var.personas) : length("${var.prefix}-${name}") <= 32])
    error_message = "The prefix and a persona's name must not exceed 32 characters together, the limit for the name of a permission set. Shorten the prefix."
  }

  validation {
    condition     = alltrue([for persona in values(var.personas) : length(persona.group_ids) + length(persona.group_names) > 0])
    error_message = "Each persona needs a group: a permission set without a group is not needed."
  }

  validation {
    condition = alltrue([
      for id in flatten([for persona in values(var.personas) : tolist(persona.group_ids)]) :
      can(regex("^([0-9a-f]{10}-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", id))
    ])
    error_message = "A group id in personas must be the UUID of a group in the identity store; names go into group_names."
  }

  validation {
    condition = alltrue(flatten([
      for persona in values(var.personas) : [
        length(persona.policies) > 0,
        [for json in values(persona.policies) : can(jsondecode(json).Statement)],
      ]
    ]))
    error_message = "Each persona needs a policy, and policies must be IAM policies in JSON: pass data.aws_iam_policy_document.<name>.json."
  }

  validation {
    condition     = alltrue([for persona in values(var.personas) : persona.session_hours >= 1 && persona.session_hours <= 12 && floor(persona.session_hours) == persona.session_hours])
    error_message = "A persona's session_hours must be a whole number of 1 to 12: Identity Center accepts no other value."
  }
}

variable "prefix" {
  type        = string
  nullable    = false
  description = "Prefix of the permission sets' names, <name>-<environment>."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*-[a-z][a-z0-9]*$", var.prefix))
    error_message = "prefix must be <name>-<environment>, each in lower-case letters and digits, such as custody-dev: with another hyphen, the pattern custody-dev-* would also match the names of a deployment custody-dev-prod."
  }
}
