variable "columns" {
  type = list(object({
    comment = string
    name    = string
    type    = string
  }))
  nullable    = false
  description = "The table's columns, in the order of its log: name, Hive type, and meaning."

  validation {
    condition     = length(var.columns) > 0 && length(distinct([for column in var.columns : column.name])) == length(var.columns)
    error_message = "columns must have at least one column, and no name twice."
  }

  validation {
    condition     = alltrue([for column in var.columns : can(regex("^[a-z][a-z0-9_]{0,254}$", column.name))])
    error_message = "A column's name must be lower-case letters, digits and underscores."
  }

  validation {
    condition = alltrue([
      for column in var.columns : can(regex("^(bigint|binary|boolean|date|decimal\\([0-9]{1,2},[0-9]{1,2}\\)|double|string|timestamp|array<.+>|struct<.+>)$", column.type))
    ])
    error_message = "A column's type must be bigint, binary, boolean, date, decimal(p,s), double, string, timestamp, or an array or struct of these."
  }

  validation {
    condition     = alltrue([for column in var.columns : can(regex("^[ -~]{1,255}$", column.comment))])
    error_message = "A column's comment must be one line of 1 to 255 ASCII characters: Glue accepts no other."
  }
}

variable "database" {
  type        = string
  nullable    = false
  description = "Name of the Glue database."

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.database))
    error_message = "database must be lower-case letters, digits and underscores: Athena would require quotes around other names."
  }
}

variable "description" {
  type        = string
  nullable    = false
  description = "What a row of the table is, in one line."

  validation {
    condition     = length(var.description) > 0 && length(var.description) <= 2048
    error_message = "description must say in 1 to 2048 characters what a row is."
  }
}

variable "location" {
  type        = string
  nullable    = false
  description = "S3 location of the table, without a slash at the end."

  validation {
    condition     = can(regex("^s3://[a-z0-9][a-z0-9-]{1,61}[a-z0-9]/[^ ]*[^/ ]$", var.location))
    error_message = "location must be a folder of a bucket, such as s3://custody-dev-processed-123456789012/tables/devices."
  }
}

variable "name" {
  type        = string
  nullable    = false
  description = "Name of the table."

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,254}$", var.name))
    error_message = "name must be lower-case letters, digits and underscores: Athena would require quotes around other names."
  }
}
