variable "account_id" {
  type        = string
  nullable    = false
  description = "Account ID of the secret, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "deployers" {
  type        = set(string)
  nullable    = false
  description = "ARNs of roles and users that apply this, and so may change the secret's description. They cannot read its value. Give a role of Identity Center as a pattern."

  validation {
    condition = length(var.deployers) > 0 && alltrue([
      for arn in var.deployers :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))
      || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/aws-reserved/sso\\.amazonaws\\.com/\\*AWSReservedSSO_[^*?]+_\\*$", arn))
    ])
    error_message = "deployers must have at least one full ARN of a role or user, or the pattern of a permission set (…:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*)."
  }
}

variable "description" {
  type        = string
  nullable    = false
  description = "What the secret is for, in one line."

  validation {
    condition     = length(var.description) > 0
    error_message = "description must say what the secret is for."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the secret and of its key."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,99}$", var.name)) && !can(regex("-[A-Za-z0-9]{6}$", var.name))
    error_message = "name must be at most 100 lower-case letters, digits and hyphens, start with a letter, and not end in a hyphen and six characters: secret ARNs end like this, so Secrets Manager could confuse the name with an ARN."
  }
}

variable "readers" {
  type        = set(string)
  nullable    = false
  description = "ARNs of the roles that may read the value if a policy allows it. All others are denied, administrators included."

  validation {
    condition     = alltrue([for arn in var.readers : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "readers must be full ARNs of roles: services read the secret, not people."
  }
}

variable "recovery_days" {
  type        = number
  nullable    = false
  default     = 30
  description = "Recovery window of the secret and waiting period of its key, in days, before they are deleted."

  validation {
    condition     = var.recovery_days >= 7 && var.recovery_days <= 30
    error_message = "recovery_days must be 7 to 30: Secrets Manager and KMS accept no other value."
  }
}

variable "rotation_days" {
  type        = number
  nullable    = false
  default     = 30
  description = "Rotation period of the value, in days."

  validation {
    condition     = var.rotation_days >= 1 && var.rotation_days <= 90 && floor(var.rotation_days) == var.rotation_days
    error_message = "rotation_days must be a whole number of 1 to 90."
  }
}

variable "rotator" {
  type = object({
    code = object({
      bucket   = string
      handler  = string
      zip_path = string
    })
    environment        = map(string)
    key_arn            = string
    log_retention_days = number
    name               = string
    role_arn           = string
    topic_arn          = string
    vpc = optional(object({
      security_group_ids = set(string)
      subnet_ids         = set(string)
    }))
  })
  nullable    = false
  description = "The function that rotates the value: its built zip and handler; its environment variables, without secrets; the key that encrypts environment and log; its name; its role, with its policies attached; the topic for failed steps; and its VPC settings."

  validation {
    condition     = fileexists(var.rotator.code.zip_path)
    error_message = "There is no zip at ${var.rotator.code.zip_path}: run make build."
  }

  validation {
    condition     = can(regex("^[a-z_]+\\.[a-z_]+\\.[a-z_]+$", var.rotator.code.handler))
    error_message = "rotator.code.handler must be package.module.function, such as rotator.handler.handler."
  }

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,63}$", var.rotator.name))
    error_message = "rotator.name must be at most 64 lower-case letters, digits and hyphens and start with a letter."
  }

  validation {
    condition     = !anytrue([for name in keys(var.rotator.environment) : can(regex("(?i)password|secret|token|credential", name))])
    error_message = "rotator.environment must not contain a secret: whoever may read the function's configuration can read its environment."
  }
}

variable "rotator_role_arn" {
  type        = string
  nullable    = false
  description = "ARN of the rotator's role, available once a policy may name it: only this role rotates the value."

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", var.rotator_role_arn))
    error_message = "rotator_role_arn must be a full role ARN."
  }
}
