variable "account_id" {
  type        = string
  nullable    = false
  description = "ID of the account, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
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

variable "deployers" {
  type        = set(string)
  nullable    = false
  description = "ARNs of roles and users that apply this, and so may change the secret's description; they cannot read its value. Give a role of Identity Center as a pattern."

  validation {
    condition     = length(var.deployers) > 0 && alltrue([for arn in var.deployers : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "deployers must have at least one ARN of a role or user."
  }
}

variable "external_id" {
  type        = string
  nullable    = false
  description = "What Snowflake must name when it assumes its role: STORAGE_AWS_EXTERNAL_ID of the storage integration."

  validation {
    condition     = can(regex("^[A-Za-z0-9+=,.@:/_-]{8,64}$", var.external_id))
    error_message = "external_id must be 8 to 64 letters, digits and characters of +=,.@:/_-."
  }
}

variable "iam_user_arn" {
  type        = string
  nullable    = false
  description = "ARN of Snowflake's IAM user: STORAGE_AWS_IAM_USER_ARN of the storage integration."

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:user/[^*?]+$", var.iam_user_arn))
    error_message = "iam_user_arn must be the full ARN of a user: a whole account would let others in who use Snowflake."
  }
}

variable "key_writers" {
  type        = set(string)
  nullable    = false
  description = "ARNs of the roles and users that store the private key; they cannot read it back. Give a role of Identity Center as a pattern."

  validation {
    condition     = length(var.key_writers) > 0 && alltrue([for arn in var.key_writers : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/.+$", arn))])
    error_message = "key_writers must have at least one ARN of a role or user: nobody else can store the key."
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

variable "run_by" {
  type        = set(string)
  nullable    = false
  description = "ARNs of the roles that may assume the loader's: of a scheduler or a task."

  validation {
    condition     = length(var.run_by) > 0 && alltrue([for arn in var.run_by : can(regex("^arn:[a-z-]+:iam::${var.account_id}:role/[^*?]+$", arn))])
    error_message = "run_by must have at least one full ARN of a role of this account: services load, not people."
  }
}
