variable "access_log_bucket" {
  type        = string
  default     = null
  description = "Name of the bucket for this bucket's access logs. Null only for that bucket itself."
}

variable "force_destroy" {
  type        = bool
  nullable    = false
  default     = false
  description = "Whether destroying the bucket may delete its objects, including evidence under GOVERNANCE mode."

  validation {
    condition     = !(var.force_destroy && try(var.object_lock.mode, null) == "COMPLIANCE")
    error_message = "force_destroy cannot be true with object_lock in mode COMPLIANCE: nothing in such a bucket can be deleted."
  }
}

variable "key_arn" {
  type        = string
  default     = null
  description = "ARN of the KMS key that encrypts the bucket. Null for the access-log bucket only: S3 does not deliver access logs to a bucket encrypted with SSE-KMS."

  validation {
    condition     = (var.key_arn == null) == (var.access_log_bucket == null)
    error_message = "Set both key_arn and access_log_bucket, or neither: only the access-log bucket itself has neither."
  }
}

variable "lifecycle_days" {
  type = object({
    noncurrent = number
    expiration = optional(number)
  })
  nullable    = false
  description = "Days after which noncurrent versions are deleted, and, if given, days after which objects expire."

  validation {
    condition = alltrue([
      for days in [var.lifecycle_days.noncurrent, var.lifecycle_days.expiration] : days == null ? true : days >= 1 && floor(days) == days
    ])
    error_message = "lifecycle_days must be whole numbers of at least 1."
  }

  validation {
    condition     = var.object_lock == null ? true : var.lifecycle_days.noncurrent >= var.object_lock.days && var.lifecycle_days.expiration == null
    error_message = "With object_lock, lifecycle_days.noncurrent must be at least its days, and there must be no expiration, which would hide evidence."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the bucket."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 63 lower-case letters, digits and hyphens (no dots: TLS certificates would not match)."
  }
}

variable "notifications" {
  type = map(object({
    queue_arn = string
    prefix    = string
  }))
  nullable    = false
  default     = {}
  description = "Queues notified of every object created under a prefix, by notification id. A bucket has one notification configuration: name all queues here."

  validation {
    condition     = alltrue([for id in keys(var.notifications) : can(regex("^[a-z0-9-]{1,255}$", id))])
    error_message = "A notification's id must be lower-case letters, digits and hyphens."
  }
}

variable "object_lock" {
  type = object({
    days = number
    mode = string
  })
  default     = null
  description = "Default retention of every object version, for evidence: mode GOVERNANCE or COMPLIANCE. With it, the bucket policy denies everybody to delete, to shorten retention and to bypass it."

  validation {
    condition     = var.object_lock == null ? true : contains(["GOVERNANCE", "COMPLIANCE"], var.object_lock.mode) && var.object_lock.days >= 1
    error_message = "object_lock needs a mode, GOVERNANCE or COMPLIANCE, and at least 1 day."
  }
}

variable "objects" {
  type = map(object({
    content      = string
    content_type = string
    retain_until = optional(string)
  }))
  nullable    = false
  default     = {}
  description = "Small texts that Terraform manages in the bucket, by key; with object_lock, retain_until is the time until which each version is kept. They are created before the policy and destroyed after it, so that it may deny their deletion."

  validation {
    condition     = alltrue([for object in values(var.objects) : (object.retain_until != null) == (var.object_lock != null)])
    error_message = "objects need retain_until with object_lock, and only then: Terraform would report the default retention as drift."
  }
}

variable "policy_documents" {
  type        = list(string)
  nullable    = false
  default     = []
  description = "Additional statements, as JSON of aws_iam_policy_document: those that let services deliver here."

  validation {
    condition     = alltrue([for json in var.policy_documents : can(jsondecode(json).Statement)])
    error_message = "policy_documents must be policies in JSON: pass data.aws_iam_policy_document.<name>.json."
  }
}

variable "principals" {
  type        = set(string)
  nullable    = false
  description = "ARNs of the roles and users that may access objects here; all others are denied, whatever their own policies say, and everybody if the list is empty. Give a role of Identity Center, whose name has a random suffix, as a pattern. Services get access by policy_documents."

  validation {
    condition = alltrue([
      for arn in var.principals :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))
      || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/aws-reserved/sso\\.amazonaws\\.com/\\*AWSReservedSSO_[^*?]+_\\*$", arn))
    ])
    error_message = "principals must be full ARNs of roles or users, or patterns of permission sets, …:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*."
  }
}

variable "replication" {
  type = object({
    account_id = string
    bucket     = string
    key_arn    = string
    prefix     = optional(string, "")
    role_arn   = string
    rule_id    = string
  })
  default     = null
  description = "Another account's bucket that every version under a prefix is replicated into, with its version id, metadata and lock: the account, the bucket's name, the ARN of the key that encrypts the replicas, the role that S3 assumes, and the rule's id, which is a dimension of its metrics. Null: no replication."

  validation {
    condition     = var.replication == null ? true : can(regex("^[0-9]{12}$", var.replication.account_id)) && can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.replication.bucket)) && can(regex("^[A-Za-z0-9._-]{1,255}$", var.replication.rule_id))
    error_message = "replication needs an account_id of 12 digits, the name of a bucket, and a rule_id of letters, digits and ._-."
  }

  validation {
    condition     = var.replication == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:${var.replication.account_id}:key/[A-Za-z0-9-]+$", var.replication.key_arn))
    error_message = "key_arn in replication must be the full ARN of a key, not of an alias, of the account in account_id."
  }

  validation {
    condition     = var.replication == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", var.replication.role_arn))
    error_message = "role_arn in replication must be the full ARN of a role."
  }
}

variable "sole_writers" {
  type = map(object({
    principals = set(string)
    writes     = string
  }))
  nullable    = false
  default     = {}
  description = "The only principals (ARNs) that create objects under a prefix, and how they write: once (an object is created and never replaced), checked (an object is replaced only by a writer that names the ETag it has read) or freely."

  validation {
    condition     = alltrue([for prefix in keys(var.sole_writers) : can(regex("^[a-z][a-z0-9/-]*/$", prefix))])
    error_message = "A prefix in sole_writers must be a folder, such as provenance/."
  }

  validation {
    condition = alltrue([
      for writers in values(var.sole_writers) :
      length(writers.principals) > 0 && length(setsubtract(writers.principals, var.principals)) == 0
    ])
    error_message = "Each prefix in sole_writers needs at least one principal, and all must be among the bucket's principals: the policy denies others anyway."
  }

  validation {
    condition     = alltrue([for writers in values(var.sole_writers) : contains(["once", "checked", "freely"], writers.writes)])
    error_message = "writes in sole_writers must be once, checked or freely."
  }
}
