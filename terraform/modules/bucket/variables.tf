variable "access_log_bucket" {
  type        = string
  default     = null
  description = "Name of the bucket that takes this bucket's access logs. Null only for that bucket itself."
}

variable "force_destroy" {
  type        = bool
  nullable    = false
  default     = false
  description = "Whether destroying the bucket may delete what is in it, governed evidence included."

  validation {
    condition     = !(var.force_destroy && try(var.object_lock.mode, null) == "COMPLIANCE")
    error_message = "force_destroy cannot go with an object_lock in mode COMPLIANCE: nothing in such a bucket can be deleted."
  }
}

variable "key_arn" {
  type        = string
  default     = null
  description = "ARN of the KMS key that encrypts the bucket. Null for the access-log bucket only: S3 delivers those logs to no bucket with a KMS key of ours."

  validation {
    condition     = (var.key_arn == null) == (var.access_log_bucket == null)
    error_message = "key_arn and access_log_bucket go together: only the access-log bucket itself has neither."
  }
}

variable "lifecycle_days" {
  type = object({
    noncurrent = number
    expiration = optional(number)
  })
  nullable    = false
  description = "Days after which superseded versions go, and, if given, after which objects do."

  validation {
    condition = alltrue([
      for days in [var.lifecycle_days.noncurrent, var.lifecycle_days.expiration] : days == null ? true : days >= 1 && floor(days) == days
    ])
    error_message = "lifecycle_days must be whole numbers of at least 1."
  }

  validation {
    condition     = var.object_lock == null ? true : var.lifecycle_days.noncurrent >= var.object_lock.days && var.lifecycle_days.expiration == null
    error_message = "lifecycle_days must not reach under object_lock: noncurrent no shorter than its days, and no expiration, which would hide evidence."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the bucket."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 63 lower-case letters, digits and hyphens (no dots: TLS could not be checked)."
  }
}

variable "notifications" {
  type = map(object({
    queue_arn = string
    prefix    = string
  }))
  nullable    = false
  default     = {}
  description = "Queues that hear of every object created under a prefix, by notification id. A bucket has one set of these: everything that listens is named here."

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
  description = "Retention of every object version, for evidence: mode GOVERNANCE or COMPLIANCE. With it, the bucket's policy denies everybody to delete, to shorten and to bypass."

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
  description = "Small texts that Terraform keeps in the bucket, by key; under object_lock with the time until which each version is kept. They are put before the policy and go after it, so that it may deny their deletion."

  validation {
    condition     = alltrue([for object in values(var.objects) : (object.retain_until != null) == (var.object_lock != null)])
    error_message = "objects need retain_until under object_lock, and only there: what the lock's default would set, Terraform would take for a change made behind its back."
  }
}

variable "policy_documents" {
  type        = list(string)
  nullable    = false
  default     = []
  description = "Further statements, as JSON of aws_iam_policy_document: what services deliver here."

  validation {
    condition     = alltrue([for json in var.policy_documents : can(jsondecode(json).Statement)])
    error_message = "policy_documents must be policies in JSON: pass data.aws_iam_policy_document.<name>.json."
  }
}

variable "principals" {
  type        = set(string)
  nullable    = false
  description = "ARNs of the roles and users that touch objects here; all others are refused, whatever their own policies say, and everybody if there are none. A role of Identity Center, whose name ends at random, is given by its beginning. Services come with policy_documents."

  validation {
    condition = alltrue([
      for arn in var.principals :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))
      || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/aws-reserved/sso\\.amazonaws\\.com/\\*AWSReservedSSO_[^*?]+_\\*$", arn))
    ])
    error_message = "principals must be whole ARNs of roles or users, or of permission sets, …:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*."
  }
}

variable "sole_writers" {
  type = map(object({
    principals = set(string)
    writes     = string
  }))
  nullable    = false
  default     = {}
  description = "Who alone creates objects under a prefix, by ARN, and how: once (each object is created and never again), checked (it is replaced only by who names the ETag he has seen) or freely."

  validation {
    condition     = alltrue([for prefix in keys(var.sole_writers) : can(regex("^[a-z][a-z0-9/-]*/$", prefix))])
    error_message = "A prefix in sole_writers must be a folder, such as provenance/."
  }

  validation {
    condition = alltrue([
      for writers in values(var.sole_writers) :
      length(writers.principals) > 0 && length(setsubtract(writers.principals, var.principals)) == 0
    ])
    error_message = "The principals of sole_writers must be at least one a prefix, and among the bucket's principals: the policy would refuse others anyway."
  }

  validation {
    condition     = alltrue([for writers in values(var.sole_writers) : contains(["once", "checked", "freely"], writers.writes)])
    error_message = "writes in sole_writers must be once, checked or freely."
  }
}
