variable "account_id" {
  type        = string
  nullable    = false
  description = "Account ID of the Data Catalog, 12 digits."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "administrators" {
  type        = set(string)
  nullable    = false
  description = "ARNs of the roles that administer Lake Formation in this account and region: only they can grant, and so apply changes to this module."

  validation {
    condition = length(var.administrators) > 0 && alltrue([
      for arn in var.administrators : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))
    ])
    error_message = "administrators must have at least one full role ARN: without one, nobody could grant permissions any more."
  }
}

variable "database" {
  type        = string
  nullable    = false
  description = "Name of the Glue database. Create it and its tables after this module, with the name in output database."

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,254}$", var.database))
    error_message = "database must be the name of a Glue database: lower-case letters, digits and underscores."
  }
}

variable "deployers" {
  type        = map(string)
  nullable    = false
  default     = {}
  description = "Roles and users (ARNs), by short name, that create and change the database and its tables without reading them."

  validation {
    condition     = alltrue([for arn in values(var.deployers) : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?]+$", arn))])
    error_message = "deployers must be full ARNs of roles or users."
  }
}

variable "filtered_readers" {
  type        = map(string)
  nullable    = false
  default     = {}
  description = "Roles (ARNs), by short name, that read only the tables in tables, each through its data filter."

  validation {
    condition     = alltrue([for arn in values(var.filtered_readers) : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "filtered_readers must be full ARNs of roles: this module grants only to roles."
  }
}

variable "locations" {
  type = map(object({
    arn      = string
    role_arn = string
  }))
  nullable    = false
  description = "Locations of the tables, by short name: ARN of a bucket or of a folder in it, and ARN of the role with which Lake Formation reads it for others."

  validation {
    condition = length(var.locations) > 0 && alltrue([
      for location in values(var.locations) :
      can(regex("^arn:[a-z-]+:s3:::[a-z0-9.-]+(/[^*?]+)?$", location.arn)) && can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", location.role_arn))
    ])
    error_message = "locations must have at least one entry, with the ARN of a bucket or folder (arn:aws:s3:::<bucket>/tables) and the ARN of a role."
  }
}

variable "readers" {
  type        = map(string)
  nullable    = false
  default     = {}
  description = "Roles (ARNs), by short name, that read every table of the database without a filter."

  validation {
    condition     = alltrue([for arn in values(var.readers) : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "readers must be full ARNs of roles: this module grants only to roles."
  }

  validation {
    condition     = length(setintersection(values(var.readers), values(var.filtered_readers))) == 0
    error_message = "A role must not be in both readers and filtered_readers: readers have no filter."
  }
}

variable "tables" {
  type = map(object({
    excluded_columns = optional(list(string), [])
    row_filter       = optional(string)
  }))
  nullable    = false
  default     = {}
  description = "Tables that filtered_readers read, by name: without the excluded columns (those that identify a person), and with only the rows that match the row filter (a condition as in WHERE); null for all rows."

  validation {
    condition     = alltrue([for name in keys(var.tables) : can(regex("^[a-z][a-z0-9_]{0,254}$", name))])
    error_message = "A name in tables must be the name of a Glue table: lower-case letters, digits and underscores."
  }

  validation {
    condition     = alltrue([for table in values(var.tables) : length(table.excluded_columns) > 0 || table.row_filter != null])
    error_message = "Each entry of tables must exclude a column or filter rows: put roles that may read all of a table into readers."
  }

  validation {
    condition     = alltrue([for table in values(var.tables) : table.row_filter == null ? true : length(trimspace(table.row_filter)) > 0])
    error_message = "A row_filter in tables must be a condition such as country = 'DE', or null for all rows."
  }
}

variable "writers" {
  type        = map(string)
  nullable    = false
  default     = {}
  description = "Roles (ARNs), by short name, that write tables of the database and update their metadata."

  validation {
    condition     = alltrue([for arn in values(var.writers) : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "writers must be full ARNs of roles: this module grants only to roles."
  }
}
