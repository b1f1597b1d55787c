variable "code" {
  type = object({
    bucket       = string
    folder       = string
    wheel_folder = string
  })
  nullable    = false
  description = "The folder of the jobs' scripts; that of the one built wheel; and the bucket both are put into, under glue/."

  validation {
    condition     = length(fileset(var.code.wheel_folder, "*.whl")) == 1
    error_message = "There must be one wheel in ${var.code.wheel_folder}, and there are ${length(fileset(var.code.wheel_folder, "*.whl"))}: run make build."
  }
}

variable "connections" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "Names of the Glue connections of the network that the jobs run in. Empty: Glue's own network."
}

variable "contracts" {
  type        = map(string)
  nullable    = false
  description = "The contracts that the jobs go by, by table: JSON, for there is no reader of YAML on Glue."

  validation {
    condition     = alltrue([for contract in values(var.contracts) : can(keys(jsondecode(contract)))])
    error_message = "A contract must be an object in JSON."
  }
}

variable "jobs" {
  type = map(object({
    arguments   = map(string)
    description = string
    script      = string
    role = optional(object({
      arn  = string
      name = string
    }))
    size = optional(object({
      timeout_minutes = number
      worker_type     = string
      workers         = number
    }))
  }))
  nullable    = false
  description = "The jobs by short name (the full name is <prefix>-<short name>): script in the folder, its arguments, without dashes, and its role and size, if they are not the others'. contracts, the folder of the contracts in S3, and code_sha256, the digest of wheel and script, are added. No secrets: whoever may read a job's definition can read them."

  validation {
    condition     = length(var.jobs) > 0 && alltrue([for short in keys(var.jobs) : can(regex("^[a-z][a-z0-9-]*$", short))])
    error_message = "jobs needs at least one job, named by lower-case letters, digits and hyphens."
  }

  validation {
    condition     = alltrue([for short, job in var.jobs : startswith(short, "${replace(trimsuffix(job.script, ".py"), "_", "-")}-")])
    error_message = "A job in jobs must be named after its script: make-it-now is a name for make_it.py."
  }

  validation {
    condition     = alltrue([for job in values(var.jobs) : fileexists("${var.code.folder}/${job.script}")])
    error_message = "A script in jobs is not in ${var.code.folder}."
  }

  validation {
    condition = alltrue([
      for job in values(var.jobs) : alltrue([
        for name in keys(job.arguments) : can(regex("^[a-z][a-z0-9_]*$", name)) && !contains(["code_sha256", "contracts"], name)
      ])
    ])
    error_message = "An argument in jobs must be named without dashes, such as tables. code_sha256 and contracts are set from the code: leave them out."
  }

  validation {
    condition     = alltrue([for job in values(var.jobs) : job.role != null || var.role_arn != null])
    error_message = "Without role_arn each job must name its role."
  }
}

variable "key_arn" {
  type        = string
  nullable    = false
  description = "ARN of the key that encrypts the jobs' output and logs."
}

variable "log_retention_days" {
  type        = number
  nullable    = false
  description = "Days that the jobs' logs are kept."
}

variable "prefix" {
  type        = string
  nullable    = false
  description = "Prefix of the names of jobs, rule and security configuration."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]*[a-z0-9]$", var.prefix))
    error_message = "prefix must be lower-case letters, digits and hyphens and start with a letter, such as custody-dev."
  }
}

variable "role_arn" {
  type        = string
  default     = null
  description = "ARN of the role of jobs that name none. Null: each names its own."

  validation {
    condition     = var.role_arn == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", var.role_arn))
    error_message = "role_arn must be a full role ARN."
  }
}

variable "size" {
  type = object({
    timeout_minutes = number
    worker_type     = string
    workers         = number
  })
  nullable    = false
  description = "Size of each run of a job that has none: number of workers (including the driver), worker type, and timeout in minutes."

  validation {
    condition     = var.size.timeout_minutes >= 1 && var.size.timeout_minutes <= 10080
    error_message = "size.timeout_minutes must be 1 to 10080: Glue stops a run after seven days."
  }

  validation {
    condition     = contains(["G.1X", "G.2X", "G.4X", "G.8X"], var.size.worker_type)
    error_message = "size.worker_type must be G.1X, G.2X, G.4X or G.8X."
  }

  validation {
    condition     = var.size.workers >= 2
    error_message = "size.workers must be at least 2: one of them is the driver."
  }
}

variable "topic_arn" {
  type        = string
  nullable    = false
  description = "ARN of the topic that is notified of runs that did not succeed. Its policy must let the rule <prefix>-job-failed publish."
}
