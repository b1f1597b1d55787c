variable "account_id" {
  type        = string
  nullable    = false
  description = "ID of the witness's account, 12 digits: not that of a deployment whose log it watches."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }

  validation {
    condition     = alltrue([for keys in values(var.logs) : alltrue([for key in keys : !strcontains(split("+", key)[0], "-${var.account_id}.")])])
    error_message = "account_id is in the name of one of the logs: a witness in the log's own account witnesses nothing."
  }
}

variable "alert_emails" {
  type        = set(string)
  nullable    = false
  description = "E-mail addresses that receive the alarms. Each must confirm its subscription once."

  validation {
    condition     = length(var.alert_emails) > 0
    error_message = "alert_emails must have at least one address: a fork that nobody is told of is none."
  }
}

variable "deployers" {
  type        = set(string)
  nullable    = false
  description = "ARNs of the roles and users that apply this: they alone store the function's code, may have it encrypted, and read what was cosigned last."

  validation {
    condition     = length(var.deployers) > 0
    error_message = "deployers must name who applies this."
  }
}

variable "force_destroy" {
  type        = bool
  nullable    = false
  default     = false
  description = "Whether destroying the witness may delete its state under GOVERNANCE mode. Only for trials."

  validation {
    condition     = !(var.force_destroy && var.retention.mode == "COMPLIANCE")
    error_message = "force_destroy cannot be true with retention.mode COMPLIANCE, in which nothing can be deleted: set it to false."
  }
}

variable "key_window_days" {
  type        = number
  nullable    = false
  default     = 30
  description = "Waiting period in days before a key is deleted."

  validation {
    condition     = var.key_window_days >= 7 && var.key_window_days <= 30
    error_message = "key_window_days must be 7 to 30: KMS accepts no other waiting period."
  }
}

variable "log_days" {
  type        = number
  nullable    = false
  default     = 365
  description = "Days for which the logs are kept: the function's, the requests', and the buckets' access logs."

  validation {
    condition     = contains([90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "log_days must be a period that CloudWatch Logs knows, of at least 90: 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "logs" {
  type        = map(set(string))
  nullable    = false
  description = "The verifier keys of each log that is watched, by a label of yours: as the lines \"log …\" of policy.txt in one of its proofs have them. Of type ECDSA (P-256) or Ed25519."

  validation {
    condition     = length(var.logs) > 0 && alltrue([for label in keys(var.logs) : can(regex("^[a-z][a-z0-9-]{0,31}$", label))])
    error_message = "logs must name at least one log, under a label of up to 32 lower-case letters, digits and hyphens."
  }

  validation {
    condition = alltrue([
      for keys in values(var.logs) : length(keys) > 0 && alltrue([for key in keys : can(regex("^[^ +\\s]+\\+[0-9a-f]{8}\\+A[Q-Za-v][A-Za-z0-9+/]+=*$", key))])
    ])
    error_message = "logs must have verifier keys, name+id+key, of type 1 (Ed25519) or 2 (ECDSA): take them from policy.txt of a proof."
  }

  validation {
    condition = (
      alltrue([for keys in values(var.logs) : length(distinct([for key in keys : split("+", key)[0]])) == 1])
      && length(distinct(flatten([for keys in values(var.logs) : [for key in keys : split("+", key)[0]]]))) == length(var.logs)
    )
    error_message = "All keys under one label must have the same name, that of the log, and no other label may have it."
  }

  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
  validation {
    condition     = length(jsonencode(var.logs)) <= 3000
    error_message = "logs must not exceed 3,000 characters as JSON, about 14 keys: AWS Lambda allows 4 KB for all environment variables. Make another witness for the rest."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Prefix of all names, of two words as in custody-witness: the buckets are <name>-state-<account_id>, <name>-code-… and <name>-logs-…, the function is <name>-cosigner."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{0,19}-[a-z][a-z0-9]{0,19}$", var.name)) && !startswith(var.name, "aws-")
    error_message = "name must be two words of up to 20 lower-case letters and digits with a hyphen between, such as custody-witness."
  }
}

variable "retention" {
  type = object({
    days = optional(number, 365)
    mode = optional(string, "COMPLIANCE")
  })
  nullable    = false
  default     = {}
  description = "Object Lock of the state, every version of it: nobody deletes what was cosigned last."

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.retention.mode) && var.retention.days >= 1 && floor(var.retention.days) == var.retention.days
    error_message = "retention needs a mode, GOVERNANCE or COMPLIANCE, and at least 1 whole day."
  }
}

variable "signing_key_arn" {
  type        = string
  nullable    = false
  description = "ARN of the witness's key in AWS KMS, of spec ECC_NIST_EDWARDS25519 and usage SIGN_VERIFY, in this account and Region. It is made with the AWS CLI: the provider cannot."

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:${local.here}:key/[A-Za-z0-9-]+$", var.signing_key_arn))
    error_message = "signing_key_arn must be the full ARN of a key of the account in account_id and of the provider's Region, not of an alias: the function calls AWS KMS in its own."
  }
}

variable "witness_name" {
  type        = string
  nullable    = false
  description = "Name in every cosignature: a URL without scheme, best of a domain of yours, such as witness.example/custody. It never changes."

  validation {
    condition     = can(regex("^[A-Za-z0-9._~:/-]{1,200}$", var.witness_name))
    error_message = "witness_name must be a URL without scheme, of up to 200 letters, digits and characters of ._~:/-, and without spaces and plus."
  }
}

variable "zip_path" {
  type        = string
  nullable    = false
  description = "The function's built zip, build/lambda/witness.zip."

  validation {
    condition     = fileexists(var.zip_path)
    error_message = "There is no zip at ${var.zip_path}: run make build."
  }
}
