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
  description = "ARN of the permissions boundary of the role."

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:policy/[^*?]+$", var.boundary_arn))
    error_message = "boundary_arn must be the full ARN of a managed policy of an account: pass the output arn of modules/boundary."
  }
}

variable "bucket" {
  type        = string
  nullable    = false
  description = "Name of the bucket of the environment's code, which is versioned and not public, encrypted with key_arn, and whose policy lets the role read."

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket must be the name of a bucket, not its ARN: pass the output name of modules/bucket."
  }
}

variable "code" {
  type = object({
    dags         = map(string)
    deployment   = string
    plugins      = string
    requirements = string
  })
  nullable    = false
  description = "What is uploaded: the files of the folder of DAGs (paths by keys below dags/), the deployment's file as JSON, and the paths of plugins.zip and requirements.txt."

  validation {
    condition     = length(var.code.dags) > 0 && alltrue([for key in keys(var.code.dags) : can(regex("^[A-Za-z0-9_][A-Za-z0-9_/.-]*$", key)) && key != "deployment.json"])
    error_message = "code.dags must have at least one file, by a key such as custody_daily.py; deployment.json is code.deployment."
  }

  validation {
    condition     = can(jsondecode(var.code.deployment))
    error_message = "code.deployment must be JSON."
  }
}

variable "key_arn" {
  type        = string
  nullable    = false
  description = "ARN of the KMS key that encrypts the environment, its bucket and its logs. Its policy must let whoever applies create grants for airflow, the role use it through S3 and SQS, and CloudWatch Logs use it for the log groups airflow-<name>-…."

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.key_arn))
    error_message = "key_arn must be the ARN of a KMS key, not of an alias: pass the output arn of modules/key."
  }
}

variable "log_retention_days" {
  type        = number
  nullable    = false
  default     = 365
  description = "How long logs are kept, in days."

  validation {
    condition = contains([
      1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
    ], var.log_retention_days)
    error_message = "log_retention_days must be a period that CloudWatch Logs knows, such as 30, 90, 365 or 731."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the environment, and what those of its log groups and its alarm are made of."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,79}$", var.name))
    error_message = "name must be at most 80 lower-case letters, digits and hyphens, and start with a letter."
  }
}

variable "network" {
  type = object({
    security_group_ids = set(string)
    subnet_ids         = set(string)
  })
  nullable    = false
  description = "Two private subnets in different Availability Zones, and security groups that let their members reach each other. From there the AWS services that Airflow and the tasks call must be reachable."

  validation {
    condition     = length(var.network.subnet_ids) == 2 && length(var.network.security_group_ids) >= 1 && length(var.network.security_group_ids) <= 5
    error_message = "network must have exactly two subnets, in different Availability Zones, and one to five security groups: the service accepts no other number."
  }
}

variable "policies" {
  type        = map(string)
  nullable    = false
  description = "What the tasks may do: policies of the role by name, as JSON of aws_iam_policy_document."

  validation {
    condition     = !contains(keys(var.policies), "run-environment")
    error_message = "run-environment is the policy that the module adds: give yours another name."
  }
}

variable "role_name" {
  type        = string
  nullable    = false
  description = "Name of the role of environment and tasks."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,63}$", var.role_name))
    error_message = "role_name must be at most 64 lower-case letters, digits and hyphens, and start with a letter."
  }
}

variable "size" {
  type = object({
    class          = optional(string, "mw1.small")
    maintenance    = optional(string, "SUN:03:00")
    max_webservers = optional(number, 2)
    max_workers    = optional(number, 2)
    min_webservers = optional(number, 2)
    min_workers    = optional(number, 1)
    schedulers     = optional(number, 2)
  })
  nullable    = false
  default     = {}
  description = "The class of the environment, how many workers, web servers and schedulers it has, and when its weekly maintenance begins (UTC)."

  validation {
    condition     = contains(["mw1.small", "mw1.medium", "mw1.large", "mw1.xlarge", "mw1.2xlarge"], var.size.class)
    error_message = "size.class must be mw1.small, mw1.medium, mw1.large, mw1.xlarge or mw1.2xlarge."
  }

  validation {
    condition = alltrue([
      for number in [var.size.max_webservers, var.size.max_workers, var.size.min_webservers, var.size.min_workers, var.size.schedulers] : floor(number) == number
      ]) && var.size.min_workers >= 1 && var.size.min_workers <= var.size.max_workers && var.size.max_workers <= 25 && (
      var.size.min_webservers >= 2 && var.size.min_webservers <= var.size.max_webservers && var.size.max_webservers <= 5
    ) && var.size.schedulers >= 2 && var.size.schedulers <= 5
    error_message = "size must have whole numbers: 1 to 25 workers, 2 to 5 web servers and 2 to 5 schedulers, and no minimum above its maximum."
  }

  validation {
    condition     = can(regex("^(MON|TUE|WED|THU|FRI|SAT|SUN):([01][0-9]|2[0-3]):(00|30)$", var.size.maintenance))
    error_message = "size.maintenance must be a day and a half hour in UTC, such as SUN:03:00."
  }
}

variable "topic_arn" {
  type        = string
  nullable    = false
  description = "ARN of the topic for the alarm."

  validation {
    condition     = can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$", var.topic_arn))
    error_message = "topic_arn must be the ARN of an SNS topic: pass the output topic_arn of modules/alerts."
  }
}
