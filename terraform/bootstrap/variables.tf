variable "account_id" {
  type        = string
  nullable    = false
  description = "ID of the AWS account to deploy into, 12 digits. Terraform refuses any other account."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits, not ${jsonencode(var.account_id)}: write your account ID into bootstrap/env/${var.environment}.tfvars (aws sts get-caller-identity shows it)."
  }
}

variable "administrators" {
  type        = set(string)
  nullable    = false
  description = "ARNs of the roles that apply this configuration. Only they and the CI roles read and write objects in the state bucket."

  validation {
    condition = length(var.administrators) > 0 && alltrue([
      for arn in var.administrators : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))
    ])
    error_message = "administrators must have at least one full role ARN: without one, nobody could change what this configuration creates. With IAM Identity Center, use the ARN of the role AWSReservedSSO_… in this account."
  }
}

variable "adopted_buckets" {
  type = map(object({
    bucket   = string
    prefixes = list(string)
    key_arn  = optional(string)
  }))
  nullable    = false
  default     = {}
  description = "Buckets of the account that are not the kit's and may be read, as in the root's input of that name (its since and account_id may stay): their names, the prefixes of the objects, and the ARN of the key that encrypts them, if they have one."

  validation {
    condition     = alltrue([for one in values(var.adopted_buckets) : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", one.bucket))])
    error_message = "bucket in adopted_buckets must be the name of a bucket, not its ARN."
  }

  validation {
    condition     = alltrue(flatten([for one in values(var.adopted_buckets) : [length(one.prefixes) > 0, [for prefix in one.prefixes : can(regex("^[^*?$]*$", prefix))]]]))
    error_message = "Each bucket in adopted_buckets needs at least one prefix, without wildcards: write [\"\"] for the whole bucket."
  }

  validation {
    condition     = alltrue([for one in values(var.adopted_buckets) : one.key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:${var.account_id}:key/[A-Za-z0-9-]+$", one.key_arn))])
    error_message = "key_arn in adopted_buckets must be the full ARN of a key of this account."
  }
}

variable "environment" {
  type        = string
  nullable    = false
  description = "Environment, such as dev or prod. Part of every name, and of the names of the GitHub environments."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.environment))
    error_message = "environment must be 2 to 10 lower-case letters and digits and start with a letter, such as dev."
  }
}

variable "evidence_copy" {
  type = object({
    bucket  = string
    key_arn = string
  })
  default     = null
  description = "The bucket of another account that the evidence is replicated into, as in the root's input of that name."

  validation {
    condition     = var.evidence_copy == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.evidence_copy.bucket))
    error_message = "bucket in evidence_copy must be the name of a bucket, not its ARN."
  }

  validation {
    condition     = var.evidence_copy == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.evidence_copy.key_arn))
    error_message = "key_arn in evidence_copy must be the full ARN of a key, not of an alias."
  }

  validation {
    condition     = var.evidence_copy == null ? true : !strcontains(var.evidence_copy.key_arn, ":${var.account_id}:")
    error_message = "evidence_copy is in this account: whoever gets hold of it, or whatever closes it, would have the copy too. Make it in another one."
  }
}

variable "existing_trail" {
  type = object({
    bucket          = string
    prefix          = optional(string, "")
    organization_id = optional(string)
    key_arn         = optional(string)
  })
  default     = null
  description = "A trail that is not the kit's and whose files of this account may be read, as in the root's input of that name (its arn may stay): its bucket, prefix, organization and key. Null: there is none."

  validation {
    condition     = var.existing_trail == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.existing_trail.bucket))
    error_message = "bucket in existing_trail must be the name of a bucket, not its ARN."
  }

  validation {
    condition     = var.existing_trail == null ? true : can(regex("^([A-Za-z0-9!_.()=-]+(/[A-Za-z0-9!_.()=-]+)*)?$", var.existing_trail.prefix)) && can(regex("^(o-[a-z0-9]{10,32})?$", join("", compact([var.existing_trail.organization_id]))))
    error_message = "prefix in existing_trail must not begin or end with a slash nor hold a wildcard, and organization_id must be an organization's, such as o-exampleorgid."
  }

  validation {
    condition     = try(var.existing_trail.key_arn, null) == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.existing_trail.key_arn))
    error_message = "key_arn in existing_trail must be the full ARN of a key."
  }
}

variable "github" {
  type = object({
    repository   = string
    provider_arn = optional(string)
  })
  nullable    = false
  description = "Repository (owner/name) whose workflows plan and apply, and the ARN of the account's OIDC provider for GitHub if there is one already. An account can have only one: null creates it."

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github.repository))
    error_message = "github.repository must be owner/name, without a wildcard."
  }

  validation {
    condition = var.github.provider_arn == null ? true : can(regex(
      "^arn:[a-z-]+:iam::${var.account_id}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.github.provider_arn
    ))
    error_message = "github.provider_arn must be the ARN of this account's OIDC provider token.actions.githubusercontent.com."
  }
}

variable "name" {
  type        = string
  nullable    = false
  default     = "custody"
  description = "Name of the deployment, the same as in the root. The first part of every name."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,19}$", var.name))
    error_message = "name must be 3 to 20 lower-case letters and digits and start with a letter, such as custody. A hyphen is not allowed: the pattern custody-dev-* of custody in dev would also match the names of a deployment called custody-dev, and each could access the other."
  }
}

variable "region" {
  type        = string
  nullable    = false
  description = "AWS Region to deploy into."

  validation {
    condition     = can(regex("^[a-z]{2,8}(-[a-z0-9]+)+-[0-9]{1,2}$", var.region))
    error_message = "region must be the name of an AWS region, such as eu-central-1."
  }
}

variable "retention" {
  type = object({
    key_window_days = optional(number, 30)
    log_days        = optional(number, 365)
    state_days      = optional(number, 365)
  })
  nullable    = false
  default     = {}
  description = "Retention periods. key_window: the waiting period before the key is deleted; log: access logs of the state bucket; state: noncurrent versions of the state."

  validation {
    condition     = var.retention.key_window_days >= 7 && var.retention.key_window_days <= 30
    error_message = "retention.key_window_days must be 7 to 30: KMS accepts no other waiting period."
  }

  validation {
    condition = alltrue([
      for days in [var.retention.log_days, var.retention.state_days] : days >= 30 && floor(days) == days
    ])
    error_message = "retention.log_days and retention.state_days must be whole numbers of at least 30: a wrong apply may be noticed late."
  }
}

variable "skip_account_checks" {
  type        = bool
  nullable    = false
  default     = false
  description = "Whether to plan without asking AWS for the caller's identity, for tests without an account. This also skips the check that the account is account_id."
}

variable "tags" {
  type        = map(string)
  nullable    = false
  default     = {}
  description = "Tags for all resources, in addition to project, environment and managed_by: at most seven, so that every service accepts them."

  # IAM treats Environment and environment as the same key.
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules
  validation {
    condition     = length(setintersection([for key in keys(var.tags) : lower(key)], ["project", "environment", "managed_by"])) == 0
    error_message = "The tags project, environment and managed_by are reserved for the kit, in upper case too: IAM tag keys are not case-sensitive. Choose other names."
  }

  validation {
    condition     = length(distinct([for key in keys(var.tags) : lower(key)])) == length(var.tags)
    error_message = "Two keys in tags differ only in case, and IAM treats them as the same key: keep one of them."
  }

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")])
    error_message = "A key in tags must not begin with aws: in upper or lower case: AWS reserves this prefix."
  }

  validation {
    condition     = alltrue([for key in keys(var.tags) : can(regex("^[\\p{L}\\p{N} _.:/=+@-]{1,128}$", key))])
    error_message = "A key in tags must be 1 to 128 letters, digits, spaces and _ . : / = + - @: IAM accepts no others."
  }

  validation {
    condition     = alltrue([for value in values(var.tags) : value == null ? false : can(regex("^[\\p{L}\\p{N} _.:/=+@-]{0,256}$", value))])
    error_message = "A value in tags must be at most 256 letters, digits, spaces and _ . : / = + - @: IAM accepts no others."
  }

  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
  validation {
    condition     = length(var.tags) <= 7
    error_message = "tags must have at most 7 entries: the kit adds three, and an S3 object can have ten."
  }
}
