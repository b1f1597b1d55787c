variable "account_id" {
  type        = string
  nullable    = false
  description = "Account ID of the boundary, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
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
  description = "Buckets of the account that are not the kit's and may be read, as in the root's adopted_buckets: their names, the prefixes of the objects, and the ARN of the key that encrypts them, if they have one."

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

variable "evidence_copy" {
  type = object({
    bucket  = string
    key_arn = string
  })
  default     = null
  description = "The bucket of another account that the evidence is replicated into, and the ARN of its key, as in the root's evidence_copy."

  validation {
    condition     = var.evidence_copy == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.evidence_copy.bucket))
    error_message = "bucket in evidence_copy must be the name of a bucket, not its ARN."
  }

  validation {
    condition     = var.evidence_copy == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.evidence_copy.key_arn))
    error_message = "key_arn in evidence_copy must be the full ARN of a key, not of an alias."
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
  description = "A trail that is not the kit's and whose files of this account may be read, as in the root's existing_trail: its bucket, prefix, organization and key. Null: there is none."

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
  description = "Which roles the boundary is for. service: roles assumed by services. orchestrator: the role of Airflow and its tasks. people: roles assumed by people. ci: the roles that plan and apply the kit."

  validation {
    condition     = contains(["ci", "orchestrator", "people", "service"], var.purpose)
    error_message = "purpose must be ci, orchestrator, people or service."
  }
}
