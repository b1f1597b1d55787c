variable "account_id" {
  type        = string
  nullable    = false
  description = "ID of the account, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "alerts" {
  type = object({
    key_arn   = string
    topic_arn = string
  })
  nullable    = false
  description = "ARNs of the topic to which the loader tells what Snowflake says of loads, and of its key. Their policies must let the loader's role publish."

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[^*?]+:key/[^*?]+$", var.alerts.key_arn)) && can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.alerts.topic_arn))
    error_message = "alerts must have the full ARNs of a key and of an SNS topic: pass the outputs of modules/alerts."
  }
}

variable "boundary_arn" {
  type        = string
  nullable    = false
  description = "ARN of the permissions boundary of both roles."

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:policy/[^*?]+$", var.boundary_arn))
    error_message = "boundary_arn must be the full ARN of a managed policy of an account."
  }
}

variable "bucket_arns" {
  type        = map(string)
  nullable    = false
  description = "ARNs of the buckets by short name: analytics, artifacts, processed, provenance and raw-data."

  validation {
    condition     = length(setsubtract(["analytics", "artifacts", "processed", "provenance", "raw-data"], keys(var.bucket_arns))) == 0 && alltrue([for arn in values(var.bucket_arns) : can(regex("^arn:[a-z-]+:s3:::[a-z0-9.-]+$", arn))])
    error_message = "bucket_arns must have the ARNs of analytics, artifacts, processed, provenance and raw-data."
  }
}

variable "data_key_arn" {
  type        = string
  nullable    = false
  description = "ARN of the key that encrypts tables. Its policy must let both roles decrypt."

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[^*?]+:key/[^*?]+$", var.data_key_arn))
    error_message = "data_key_arn must be the full ARN of a key."
  }
}

variable "integration" {
  type = object({
    external_id  = string
    iam_user_arn = string
  })
  nullable    = false
  description = "Who assumes Snowflake's role, by DESC INTEGRATION of the storage integration: its IAM user (STORAGE_AWS_IAM_USER_ARN), and what it must name (STORAGE_AWS_EXTERNAL_ID)."

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@:/_-]{8,64}$", var.integration.external_id))
    error_message = "integration.external_id must be 8 to 64 letters, digits and characters of +=,.@:/_-."
  }

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:user/[^*?]+$", var.integration.iam_user_arn))
    error_message = "integration.iam_user_arn must be the full ARN of a user: a whole account would let others in who use Snowflake."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "What the names of roles, secret and key begin with."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,49}$", var.name))
    error_message = "name must be at most 50 lower-case letters, digits and hyphens, and start with a letter."
  }
}

variable "provenance_key_arn" {
  type        = string
  nullable    = false
  description = "ARN of the key that encrypts the evidence. Its policy must let the loader's role decrypt."

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[^*?]+:key/[^*?]+$", var.provenance_key_arn))
    error_message = "provenance_key_arn must be the full ARN of a key."
  }
}

variable "run_by" {
  type        = set(string)
  default     = null
  description = "ARNs of the roles that may assume the loader's: of a scheduler. Null: tasks of Amazon ECS run as the loader."

  validation {
    condition     = var.run_by == null ? true : length(var.run_by) > 0 && alltrue([for arn in var.run_by : can(regex("^arn:[a-z-]+:iam::${var.account_id}:role/[^*?]+$", arn))])
    error_message = "run_by must have at least one full ARN of a role of this account: services load, not people."
  }
}

variable "secret" {
  type = object({
    deployers     = set(string)
    key_writers   = set(string)
    recovery_days = optional(number, 30)
  })
  nullable    = false
  description = "The secret with the private key. ARNs of the roles and users that apply this, and so may change its description, and of those that store the key; none of them can read it. Give a role of Identity Center as a pattern. Its recovery window and the waiting period of its key, in days, before they are deleted."

  validation {
    condition     = length(var.secret.deployers) > 0 && alltrue([for arn in var.secret.deployers : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "secret.deployers must have at least one ARN of a role or user."
  }

  validation {
    condition     = length(var.secret.key_writers) > 0 && alltrue([for arn in var.secret.key_writers : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "secret.key_writers must have at least one ARN of a role or user: nobody else can store the key."
  }

  validation {
    condition     = var.secret.recovery_days >= 7 && var.secret.recovery_days <= 30
    error_message = "secret.recovery_days must be 7 to 30: Secrets Manager and KMS accept no other value."
  }
}
