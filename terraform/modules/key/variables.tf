variable "account_id" {
  type        = string
  nullable    = false
  description = "ID of the account that owns the key, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "deletion_window_days" {
  type        = number
  nullable    = false
  default     = 30
  description = "Waiting period in days before the key is deleted."

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "deletion_window_days must be 7 to 30: KMS accepts no other waiting period."
  }
}

variable "description" {
  type        = string
  nullable    = false
  description = "What the key is for, in one line."

  validation {
    condition     = length(var.description) > 0
    error_message = "description must say what the key is for."
  }
}

variable "guests" {
  type = map(object({
    actions   = set(string)
    role_arns = set(string)
  }))
  nullable    = false
  default     = {}
  description = "Roles, of other accounts too, that use the key through via_services if their own policies allow it, by statement id. They need not exist yet; give a role of Identity Center, whose name has a random suffix, as a pattern."

  validation {
    condition     = length(var.guests) == 0 || length(setsubtract(var.via_services, ["firehose"])) > 0
    error_message = "guests use a key only through via_services: name at least one service, or leave guests empty."
  }

  validation {
    condition     = alltrue([for sid in keys(var.guests) : can(regex("^[A-Z][A-Za-z0-9]+$", sid))])
    error_message = "A statement id in guests must be letters and digits and describe the intent, such as AuditorsRead."
  }

  validation {
    condition = alltrue(flatten([
      for guest in values(var.guests) : [
        length(guest.role_arns) > 0,
        [
          for arn in guest.role_arns :
          can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))
          || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/aws-reserved/sso\\.amazonaws\\.com/\\*AWSReservedSSO_[^*?]+_\\*$", arn))
        ],
      ]
    ]))
    error_message = "role_arns in guests must be full ARNs of roles, or patterns of permission sets, …:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*."
  }

  validation {
    condition     = alltrue([for guest in values(var.guests) : length(setsubtract(guest.actions, ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"])) == 0])
    error_message = "actions in guests may be kms:Decrypt, kms:Encrypt and kms:GenerateDataKey."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the key; its alias is alias/<name>."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{0,199}$", var.name)) && !startswith(var.name, "aws-")
    error_message = "name must be lower-case letters, digits and hyphens, and not start with aws-."
  }
}

variable "principals" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "ARNs of the roles and users of the account that may encrypt and decrypt through via_services if an IAM policy allows it. Give a role of Identity Center, whose name has a random suffix, as a pattern."

  validation {
    condition = alltrue([
      for arn in var.principals :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))
      || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/aws-reserved/sso\\.amazonaws\\.com/\\*AWSReservedSSO_[^*?]+_\\*$", arn))
    ])
    error_message = "A principal must be the full ARN of a role or user, or the pattern of a permission set, …:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*: whole accounts and other wildcards are not allowed."
  }

  validation {
    condition     = length(var.principals) == 0 || length(var.via_services) > 0
    error_message = "principals use a key only through via_services: name at least one service, or leave principals empty."
  }
}

variable "purpose" {
  type        = string
  nullable    = false
  default     = "encrypt"
  description = "encrypt: a symmetric key, rotated every year. sign: an ECC P-256 key that signs and verifies; KMS does not rotate such keys."

  validation {
    condition     = contains(["encrypt", "sign"], var.purpose)
    error_message = "purpose must be encrypt or sign."
  }
}

variable "users" {
  type = map(object({
    actions    = set(string)
    principals = set(string)
    conditions = optional(list(object({
      test     = string
      variable = string
      values   = list(string)
    })), [])
  }))
  nullable    = false
  default     = {}
  description = "Who may use the key, by statement id: ARNs of roles or names of services, the actions, and conditions. A service must be limited to the resource it acts for; roles use the key through via_services, if there are any."

  validation {
    condition     = alltrue([for sid in keys(var.users) : can(regex("^[A-Z][A-Za-z0-9]+$", sid))])
    error_message = "A statement id in users must be letters and digits and describe the intent, such as RecorderSigns."
  }

  validation {
    condition = alltrue([
      for principal in flatten([for user in values(var.users) : tolist(user.principals)]) :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*]+$", principal)) || can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", principal))
    ])
    error_message = "A principal in users must be a role's ARN or a service such as s3.amazonaws.com: whole accounts and wildcards are not allowed."
  }

  validation {
    condition = alltrue([
      for user in values(var.users) : length(distinct([for principal in user.principals : startswith(principal, "arn:")])) == 1
    ])
    error_message = "A statement in users must name either roles or services: they have different conditions. Write two statements."
  }

  validation {
    condition = alltrue([
      for user in values(var.users) : length(user.conditions) > 0 || alltrue([for principal in user.principals : startswith(principal, "arn:")])
    ])
    error_message = "A service in users needs a condition, such as aws:SourceArn or kms:EncryptionContext:…: without one, the service could use the key for anybody."
  }

  validation {
    condition = alltrue([
      for action in flatten([for user in values(var.users) : tolist(user.actions)]) :
      contains(
        var.purpose == "sign"
        ? ["kms:GetPublicKey", "kms:Sign", "kms:Verify"]
        : ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
        action
      )
    ])
    error_message = "An action in users must be a cryptographic use that fits the key's purpose: kms:Sign, kms:Verify, kms:GetPublicKey for sign; kms:Decrypt, kms:DescribeKey, kms:Encrypt, kms:GenerateDataKey, kms:GenerateDataKey*, kms:ReEncrypt* for encrypt. Administration is left to the account."
  }
}

variable "via_services" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "Services, such as s3, through which roles and principals encrypt and decrypt; principals may also create grants for airflow, firehose and lambda, for resources of these services. Nobody uses the key directly."

  validation {
    condition     = var.purpose == "encrypt" || length(var.via_services) == 0
    error_message = "A signing key is used only by its users: leave via_services empty."
  }

  validation {
    condition     = alltrue([for service in var.via_services : contains(["airflow", "athena", "firehose", "lambda", "s3", "secretsmanager", "sns", "sqs"], service)])
    error_message = "via_services may have only airflow, athena, firehose, lambda, s3, secretsmanager, sns and sqs."
  }
}
