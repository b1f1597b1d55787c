variable "account_id" {
  type        = string
  nullable    = false
  description = "Account ID of the role, 12 digits. A service must act for this account."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "boundary_arn" {
  type        = string
  nullable    = false
  description = "ARN of the permissions boundary: a managed policy of the account that limits what the role may do."

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:policy/[^*?]+$", var.boundary_arn))
    error_message = "boundary_arn must be the full ARN of a managed policy of an account: pass the output arn of modules/boundary. Policies managed by AWS are not allowed as a boundary."
  }
}

variable "description" {
  type        = string
  nullable    = false
  description = "What the role is for, in one line."

  validation {
    condition     = length(var.description) > 0 && length(var.description) <= 1000
    error_message = "description must say in 1 to 1000 characters what the role is for."
  }
}

variable "managed_policy_arns" {
  type        = map(string)
  nullable    = false
  default     = {}
  description = "ARNs of customer managed policies, by label, for what does not fit into inline policies. All others are detached."

  validation {
    condition     = alltrue([for arn in values(var.managed_policy_arns) : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:policy/[^*?]+$", arn))])
    error_message = "managed_policy_arns must be full ARNs of the account's own managed policies: those of AWS grant more than the kit needs, and change."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the role."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,63}$", var.name))
    error_message = "name must be at most 64 lower-case letters, digits and hyphens and start with a letter."
  }
}

variable "policies" {
  type        = map(string)
  nullable    = false
  description = "Inline policies by name, as JSON of aws_iam_policy_document. One for each task of the role."

  validation {
    condition     = length(var.policies) > 0 && alltrue([for name in keys(var.policies) : can(regex("^[a-z][a-z0-9-]*$", name))])
    error_message = "policies must have at least one policy, under a name such as read-objects: a role without permissions is not needed."
  }

  validation {
    condition     = alltrue([for json in values(var.policies) : can(jsondecode(json).Statement)])
    error_message = "policies must be IAM policies in JSON: pass data.aws_iam_policy_document.<name>.json."
  }

  validation {
    condition     = sum([for json in concat(values(var.policies), [""]) : length(replace(json, "/\\s/", ""))]) <= 10240
    error_message = "policies must not exceed 10240 characters in total, not counting white space: this is IAM's limit for inline policies. Split the role."
  }
}

variable "session_hours" {
  type        = number
  nullable    = false
  default     = 1
  description = "Maximum session duration of the role, in hours."

  validation {
    condition     = var.session_hours >= 1 && var.session_hours <= 12 && floor(var.session_hours) == var.session_hours
    error_message = "session_hours must be a whole number of 1 to 12: IAM accepts no other value."
  }
}

variable "trust" {
  type = object({
    github = optional(object({
      environments = set(string)
      provider_arn = string
      repository   = string
    }))
    others = optional(object({
      external_id = string
      principals  = set(string)
    }))
    people = optional(object({
      mfa_max_age_seconds = number
      principals          = set(string)
    }))
    service = optional(object({
      also        = optional(string)
      match       = optional(string, "exact")
      name        = string
      source_arns = set(string)
    }))
  })
  nullable    = false
  description = "Who may assume the role; set one of the four. service: a service principal (also: a second one of the same service), only for the resources in source_arns (match like: patterns; if-sent: for S3 replication, of which AWS does not document that it names its bucket). people: IAM users (ARNs) whose MFA sign-in is not older than mfa_max_age_seconds, with their user name as session name. github: workflows of a repository (owner/name) that run in one of the environments, through the account's OIDC provider. others: roles and users, such as a third party's, that must name the external ID."

  validation {
    condition     = length([for kind in [var.trust.github, var.trust.others, var.trust.people, var.trust.service] : kind if kind != null]) == 1
    error_message = "trust must be exactly one of github, others, people and service: use two roles for two kinds of principals."
  }

  validation {
    condition     = var.trust.service == null ? true : alltrue([for name in compact([var.trust.service.name, var.trust.service.also]) : can(regex("^[a-z0-9-]+\\.amazonaws\\.com$", name))])
    error_message = "trust.service.name and also must be service principals such as lambda.amazonaws.com."
  }

  validation {
    condition     = var.trust.service == null ? true : contains(["exact", "like"], var.trust.service.match) || (var.trust.service.match == "if-sent" && var.trust.service.name == "s3.amazonaws.com")
    error_message = "trust.service.match must be exact or like, or if-sent for s3.amazonaws.com."
  }

  validation {
    condition = var.trust.service == null ? true : length(var.trust.service.source_arns) > 0 && alltrue([
      for arn in var.trust.service.source_arns :
      can(regex(var.trust.service.match == "like" ? "^arn:[^*?]+[:/][a-z][a-z0-9-]*(-\\*)?$" : "^arn:[^*?]+$", arn))
      # Lake Formation sends no resource ARN but its own, with account and region.
      # Amazon ECS sends one too, of which it documents the same part.
      || (var.trust.service.name == "ecs-tasks.amazonaws.com" && can(regex("^arn:[a-z-]+:ecs:[a-z0-9-]+:[0-9]{12}:\\*$", arn)))
      || (var.trust.service.name == "lakeformation.amazonaws.com" && can(regex("^arn:[a-z-]+:lakeformation:[a-z0-9-]+:[0-9]{12}:\\*$", arn)))
    ])
    error_message = "trust.service.source_arns must have at least one full resource ARN, or with match like an ARN pattern (…:job/custody-dev-*): without it, any resource of the service could use the role."
  }

  validation {
    condition = var.trust.people == null ? true : length(var.trust.people.principals) > 0 && alltrue([
      for arn in var.trust.people.principals : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:user/[^*?]+$", arn))
    ])
    error_message = "trust.people.principals must have at least one full user ARN: an account or a wildcard would let others decide who has access, and a role has neither MFA nor a user name."
  }

  validation {
    condition     = var.trust.people == null ? true : var.trust.people.mfa_max_age_seconds >= 60 && var.trust.people.mfa_max_age_seconds <= 43200
    error_message = "trust.people.mfa_max_age_seconds must be 60 to 43200, a minute to twelve hours."
  }

  validation {
    condition     = var.trust.github == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.trust.github.provider_arn))
    error_message = "trust.github.provider_arn must be the ARN of the account's OIDC provider token.actions.githubusercontent.com."
  }

  validation {
    condition     = var.trust.github == null ? true : can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.trust.github.repository))
    error_message = "trust.github.repository must be owner/name, without a wildcard."
  }

  validation {
    condition = var.trust.github == null ? true : length(var.trust.github.environments) > 0 && alltrue([
      for environment in var.trust.github.environments : can(regex("^[A-Za-z0-9_-]+$", environment))
    ])
    error_message = "trust.github.environments must name at least one environment of the repository, without a wildcard: the environment's protection rules control who deploys."
  }

  validation {
    condition = var.trust.others == null ? true : length(var.trust.others.principals) > 0 && alltrue([
      for arn in var.trust.others.principals :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))
    ]) && can(regex("^[A-Za-z0-9+=,.@:/_-]{8,64}$", var.trust.others.external_id))
    error_message = "trust.others must have at least one full ARN of a role or user, and an external_id of 8 to 64 letters, digits and characters of +=,.@:/_-."
  }
}
