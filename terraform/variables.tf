variable "account_id" {
  type        = string
  nullable    = false
  description = "ID of the AWS account to deploy into, 12 digits. Terraform refuses any other account."

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits, not ${jsonencode(var.account_id)}: write your account ID into env/${var.environment}.tfvars (aws sts get-caller-identity shows it)."
  }
}

variable "adopted_buckets" {
  type = map(object({
    bucket     = string
    prefixes   = list(string)
    since      = string
    account_id = optional(string)
    key_arn    = optional(string)
  }))
  nullable    = false
  default     = {}
  description = "Buckets that the account has already, to be recorded where they lie, by a short name: the bucket; the prefixes whose objects are recorded (the empty prefix is the whole bucket); since (RFC 3339, UTC), the time of their adoption, before which no trail event is expected; the account that owns the bucket (null: this one); and the ARN of the KMS key that encrypts the objects (null: SSE-S3). Nothing in them is changed; docs/adopting.md says what their owner adds. A deployment by workflows names them in terraform/bootstrap too."

  validation {
    condition     = alltrue([for short in keys(var.adopted_buckets) : can(regex("^[a-z][a-z0-9-]{0,19}$", short))])
    error_message = "A short name in adopted_buckets must be at most 20 lower-case letters, digits and hyphens and start with a letter: rules and alarms are named after it."
  }

  validation {
    condition     = alltrue([for one in values(var.adopted_buckets) : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", one.bucket))])
    error_message = "bucket in adopted_buckets must be the name of a bucket, not its ARN."
  }

  validation {
    condition     = length(distinct([for one in values(var.adopted_buckets) : one.bucket])) == length(var.adopted_buckets)
    error_message = "adopted_buckets has a bucket twice: name it once, with all its prefixes."
  }

  validation {
    condition     = alltrue([for one in values(var.adopted_buckets) : !(startswith(one.bucket, "${var.name}-${var.environment}-") && endswith(one.bucket, "-${var.account_id}"))])
    error_message = "adopted_buckets has a bucket of this deployment itself: recorded_prefixes says what is recorded there."
  }

  validation {
    condition     = alltrue([for one in values(var.adopted_buckets) : one.account_id == null ? true : one.account_id == var.account_id])
    error_message = "adopted_buckets has a bucket of another account: this account's trail does not tell what others do there, so nothing could be proven of it. Deploy the kit in that account."
  }

  validation {
    condition = alltrue(flatten([
      for one in values(var.adopted_buckets) : [
        length(one.prefixes) > 0,
        [for prefix in one.prefixes : prefix == "" || can(regex("^[A-Za-z0-9!_.'()=-][A-Za-z0-9!_.'()=/-]*/$", prefix))],
      ]
    ]))
    error_message = "Each bucket in adopted_buckets needs at least one prefix, such as incoming/, or [\"\"] for the whole bucket: no slash at the start, one at the end, and only letters, digits and !_.'()=- between slashes."
  }

  validation {
    condition = alltrue(flatten([
      for one in values(var.adopted_buckets) : [
        for i, prefix in one.prefixes : [for j, other in one.prefixes : i == j || !startswith(other, prefix)]
      ]
    ]))
    error_message = "No prefix in adopted_buckets may begin with another of the same bucket: keep the shorter one."
  }

  validation {
    condition = alltrue([
      for one in values(var.adopted_buckets) :
      can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z$", one.since)) && try(timecmp(one.since, plantimestamp()) <= 0, false)
    ])
    error_message = "since in adopted_buckets must be an RFC 3339 time in UTC that has passed, such as ${formatdate("YYYY-MM-DD'T'hh:mm:ss'Z'", plantimestamp())}: what is written after it must be in the trail."
  }

  validation {
    condition = alltrue([
      for one in values(var.adopted_buckets) :
      one.key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:${var.region}:${var.account_id}:key/[A-Za-z0-9-]+$", one.key_arn))
    ])
    error_message = "key_arn in adopted_buckets must be the full ARN of a key, not of an alias, of this account and Region: leave it out for objects that S3 encrypts with its own keys."
  }
}

variable "alert_emails" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "E-mail addresses that receive the alarms. Each must confirm its subscription once."

  validation {
    condition     = alltrue([for email in var.alert_emails : can(regex("^[^@\\s<>]+@[^@\\s<>]+\\.[^@\\s<>]+$", email))])
    error_message = "alert_emails must be e-mail addresses such as ops@example.org: replace the placeholders in env/${var.environment}.tfvars."
  }
}

variable "auditor" {
  type = object({
    every_minutes = optional(number, 60)
  })
  nullable    = false
  default     = {}
  description = "How often, in minutes, the auditor asks the rules of sql/anomalies. Each run has Athena read the trail's last days several times: docs/cost.md says what that costs. The rules that read weeks are asked once a day, however often it runs."

  validation {
    condition     = var.auditor.every_minutes >= 15 && var.auditor.every_minutes <= 720 && floor(var.auditor.every_minutes) == var.auditor.every_minutes
    error_message = "auditor.every_minutes must be a whole number of 15 to 720: a run takes minutes, and custody doctor takes an auditor that has not run for a day for broken."
  }
}

variable "datasets" {
  type        = list(string)
  nullable    = false
  default     = ["examples/streaming"]
  description = "The data sets that tables are made of: folders, each with a contract a table, silver/<table>.yaml and gold/<table>.yaml, and beside the latter its SELECT, gold/<table>.sql, or its Python function, gold/<table>.py. A relative path is one of the repository, below examples/; an absolute one may lie anywhere. None: evidence alone, without a stream, job, gate or table."

  validation {
    condition     = alltrue([for folder in var.datasets : startswith(folder, "/") || can(regex("^examples/[A-Za-z0-9_-]", folder))])
    error_message = "datasets must name folders by an absolute path, or by one below examples/ such as examples/streaming."
  }

  validation {
    condition     = length(distinct([for folder in var.datasets : abspath(startswith(folder, "/") ? folder : "${path.root}/../${folder}")])) == length(var.datasets)
    error_message = "datasets names a folder twice: name each once."
  }

  validation {
    condition     = alltrue([for folder in var.datasets : length(fileset("${startswith(folder, "/") ? "" : "${path.root}/../"}${folder}", "silver/*.yaml")) > 0])
    error_message = "A folder in datasets has no silver/<table>.yaml: a data set begins with a contract of what is delivered."
  }

  validation {
    condition     = alltrue([for paths in values({ for file in flatten([for folder in distinct([for named in var.datasets : abspath(startswith(named, "/") ? named : "${path.root}/../${named}")]) : [for file in fileset(folder, "{gold,silver}/*.yaml") : "${folder}/${file}"]]) : basename(file) => file... }) : length(paths) == 1])
    error_message = "datasets has two contracts of one table: tables of one deployment have different names."
  }

  validation {
    condition = alltrue(flatten([
      for folder in var.datasets : [
        for file in fileset("${startswith(folder, "/") ? "" : "${path.root}/../"}${folder}", "gold/*.yaml") :
        length(fileset("${startswith(folder, "/") ? "" : "${path.root}/../"}${folder}", "${trimsuffix(file, ".yaml")}.{py,sql}")) == 1
      ]
    ]))
    error_message = "A gold table in datasets has no SELECT and no function, or both: one of gold/<table>.sql and gold/<table>.py is to stand beside its contract."
  }
}

variable "environment" {
  type        = string
  nullable    = false
  description = "Environment, such as local, dev or prod. Part of every name."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.environment))
    error_message = "environment must be 2 to 10 lower-case letters and digits and start with a letter, such as dev."
  }
}

variable "etl" {
  type = object({
    schedule_minutes = optional(number, 15)
    stale_hours      = optional(number, 24)
    timeout_minutes  = optional(number, 120)
    worker_type      = optional(string, "G.1X")
    workers          = optional(number, 2)
  })
  nullable    = false
  default     = {}
  description = "How often, in minutes, the gate looks for new verified versions; after how many hours a table that has not taken what is there raises an alarm; and for each job run: the number of workers (including the driver), the worker type and the timeout in minutes."

  validation {
    condition     = var.etl.schedule_minutes >= 1 && var.etl.schedule_minutes <= 1440 && floor(var.etl.schedule_minutes) == var.etl.schedule_minutes
    error_message = "etl.schedule_minutes must be a whole number of 1 to 1440."
  }

  validation {
    condition     = var.etl.stale_hours >= 1 && var.etl.stale_hours <= 720
    error_message = "etl.stale_hours must be 1 to 720: a table that waits for over a month is not in use."
  }

  validation {
    condition     = var.etl.timeout_minutes >= 5 && var.etl.timeout_minutes <= 2880
    error_message = "etl.timeout_minutes must be 5 to 2880: a run that takes more than two days is stuck."
  }

  validation {
    condition     = contains(["G.1X", "G.2X", "G.4X", "G.8X"], var.etl.worker_type)
    error_message = "etl.worker_type must be G.1X, G.2X, G.4X or G.8X."
  }

  validation {
    condition     = var.etl.workers >= 2 && var.etl.workers <= 299
    error_message = "etl.workers must be 2 to 299: one of them is the driver, and G.1X allows 299 at most."
  }
}

variable "evidence_copy" {
  type = object({
    bucket  = string
    key_arn = string
  })
  default     = null
  description = "A locked bucket of another account, made there by modules/evidence_copy, that receipts, log, key registry and trail are replicated into: its name, and the ARN of its key, which says its account and Region. What was stored before is not copied by itself: docs/second_copy.md says how. Null: there is no second copy. A deployment by workflows names it in terraform/bootstrap too."

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
    arn             = string
    bucket          = string
    prefix          = optional(string, "")
    organization_id = optional(string)
    key_arn         = optional(string)
  })
  default     = null
  description = "A trail that the account or its organization has already, to be read instead of one of the kit's own, so that AWS bills each event once: its ARN; the bucket that it delivers to, in this account or another; its prefix there; the organization's ID, if it is an organization trail; and the ARN of the KMS key that encrypts its files (null: SSE-S3). Nothing of it is changed; docs/existing_trail.md says what its owner adds and what it must log. It is decided at the first apply: make plan refuses to destroy a trail of the kit's own. A deployment by workflows names it in terraform/bootstrap too. Null: the kit makes a trail."

  validation {
    condition     = var.existing_trail == null ? true : can(regex("^arn:[a-z-]+:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]$", var.existing_trail.arn))
    error_message = "arn in existing_trail must be the full ARN of a trail, arn:aws:cloudtrail:<region>:<account>:trail/<name> (aws cloudtrail describe-trails shows it)."
  }

  validation {
    condition     = var.existing_trail == null ? true : !endswith(var.existing_trail.arn, ":${var.account_id}:trail/${var.name}-${var.environment}")
    error_message = "existing_trail has the name of this deployment's own trail: leave it out, and the kit makes that trail."
  }

  validation {
    condition     = var.existing_trail == null ? true : try(split(":", var.existing_trail.arn)[4], "") == var.account_id || var.existing_trail.organization_id != null
    error_message = "existing_trail is of another account, and such a trail logs this account only as the organization's: give organization_id (aws organizations describe-organization shows it)."
  }

  validation {
    condition     = var.existing_trail == null ? true : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.existing_trail.bucket))
    error_message = "bucket in existing_trail must be the name of a bucket, not its ARN."
  }

  validation {
    condition     = var.existing_trail == null ? true : !(startswith(var.existing_trail.bucket, "${var.name}-${var.environment}-") && endswith(var.existing_trail.bucket, "-${var.account_id}"))
    error_message = "bucket in existing_trail has the name of a bucket of this deployment itself."
  }

  validation {
    condition     = var.existing_trail == null ? true : !contains([for adopted in values(var.adopted_buckets) : adopted.bucket], var.existing_trail.bucket)
    error_message = "bucket in existing_trail is adopted too: the trail would have to log its own deliveries, each of which causes another event."
  }

  validation {
    condition     = var.existing_trail == null ? true : can(regex("^([A-Za-z0-9!_.()=-]+(/[A-Za-z0-9!_.()=-]+)*)?$", var.existing_trail.prefix))
    error_message = "prefix in existing_trail must be the trail's S3KeyPrefix, without AWSLogs and without a slash at the start or the end: only letters, digits and !_.()=- between slashes."
  }

  validation {
    condition     = try(var.existing_trail.organization_id, null) == null ? true : can(regex("^o-[a-z0-9]{10,32}$", var.existing_trail.organization_id))
    error_message = "organization_id in existing_trail must be the ID of an organization, such as o-exampleorgid; leave it out for a trail of this account alone."
  }

  validation {
    condition     = try(var.existing_trail.key_arn, null) == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.existing_trail.key_arn))
    error_message = "key_arn in existing_trail must be the full ARN of a key, not of an alias: leave it out for files that S3 encrypts with its own keys."
  }
}

variable "expected_files" {
  type        = map(number)
  nullable    = false
  default     = {}
  description = "Raw files that are expected regularly: prefixes of keys in the raw-data bucket, each with the hours within which an object must come below it. The rule file-missing reports those that did not come."

  validation {
    condition     = alltrue([for prefix, hours in var.expected_files : prefix != "" && hours >= 1 && hours <= 744 && floor(hours) == hours])
    error_message = "expected_files must be whole hours of 1 to 744 (31 days) by prefixes that are not empty, such as { \"incoming/orders/\" = 24 }."
  }
}

variable "finding_emails" {
  type        = map(set(string))
  nullable    = false
  default     = {}
  description = "E-mail addresses that receive only the auditor's findings, each with their severities (critical, high, medium, low): for example a digest of medium and low ones. Alarms go to alert_emails alone, since Amazon SNS sends a message without attributes to no subscription with a filter."

  validation {
    condition     = alltrue([for email in keys(var.finding_emails) : can(regex("^[^@\\s<>]+@[^@\\s<>]+\\.[^@\\s<>]+$", email))])
    error_message = "finding_emails must be e-mail addresses such as ops@example.org: replace the placeholders in env/${var.environment}.tfvars."
  }

  validation {
    condition = alltrue([
      for severities in values(var.finding_emails) :
      length(severities) > 0 && length(setsubtract(severities, ["critical", "high", "medium", "low"])) == 0
    ])
    error_message = "Each address in finding_emails needs at least one severity of critical, high, medium and low."
  }

  validation {
    condition     = length(setintersection(keys(var.finding_emails), var.alert_emails)) == 0
    error_message = "An address in finding_emails is also in alert_emails, which receive everything: leave it out of one of them, since an address has one subscription to a topic."
  }
}

variable "force_destroy" {
  type        = bool
  nullable    = false
  default     = false
  description = "Whether terraform destroy may empty buckets first, including evidence under GOVERNANCE mode. Only for environments without valuable data."

  validation {
    condition     = !(var.force_destroy && var.retention.evidence_mode == "COMPLIANCE")
    error_message = "force_destroy cannot be true with retention.evidence_mode COMPLIANCE, in which nothing can be deleted: set it to false."
  }
}

variable "identity_center" {
  type = object({
    instance = optional(object({
      arn               = string
      identity_store_id = string
    }))
    personas = map(object({
      group_ids     = optional(set(string), [])
      group_names   = optional(set(string), [])
      session_hours = optional(number, 1)
    }))
  })
  default     = null
  description = "For accounts whose users sign in through IAM Identity Center: its instance (looked up if null), and for each persona the groups that have it and the session duration in hours. Its permission sets then create the roles of people; leave people empty."

  validation {
    condition     = var.identity_center == null || length(var.people) == 0
    error_message = "identity_center and people exclude each other: users of Identity Center need no role to assume. Set only one of them."
  }

  validation {
    condition = var.identity_center == null ? true : length(setsubtract(
      keys(var.identity_center.personas), ["analyst", "auditor", "break-glass", "data-engineer", "producer", "security-admin"]
    )) == 0
    error_message = "identity_center.personas may have only analyst, auditor, break-glass, data-engineer, producer and security-admin: remove the others."
  }

  validation {
    condition     = try(var.identity_center.personas["break-glass"].session_hours, 1) == 1
    error_message = "A session of break-glass lasts one hour: leave its session_hours out of identity_center."
  }
}

variable "lake_formation" {
  type = object({
    administrators = set(string)
    people         = optional(map(string), {})
    tables = optional(map(object({
      excluded_columns = optional(list(string), [])
      row_filter       = optional(string)
    })), {})
  })
  default     = null
  description = "For accounts in which Lake Formation controls access to tables: ARNs of the roles that administer it and apply changes to this variable; with identity_center, the roles that it created, by persona; and the tables that analysts read, without the excluded columns and with only the rows that match the filter (null: all rows)."

  validation {
    condition = var.lake_formation == null ? true : length(var.lake_formation.administrators) > 0 && alltrue([
      for arn in setunion(var.lake_formation.administrators, values(var.lake_formation.people)) :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?<>]+$", arn))
    ])
    error_message = "lake_formation needs at least one administrator, and full role ARNs: Lake Formation does not grant to patterns."
  }

  validation {
    condition     = try(length(var.lake_formation.people), 0) == 0 || var.identity_center != null
    error_message = "lake_formation.people is for roles that Identity Center created: without identity_center, leave it empty, since the kit grants to the roles it creates."
  }
}

variable "large_objects" {
  type = object({
    above_gb = optional(number, 5)
    image    = string
  })
  default     = null
  description = "For objects that the recorder cannot hash within Lambda's 15 minutes: a task on Fargate makes the receipts of those with more than above_gb (10^9 bytes; ten such at once are what a function reads in that time). image: that of task/Dockerfile in Amazon ECR, by its digest. It needs network. Null: the recorder hashes all objects, and one that takes it too long becomes a dead letter."

  validation {
    condition     = var.large_objects == null ? true : can(regex("^${var.account_id}\\.dkr\\.ecr\\.${var.region}\\.amazonaws\\.com(\\.cn)?/${var.name}-${var.environment}-[a-z0-9._/-]*@sha256:[0-9a-f]{64}$", var.large_objects.image))
    error_message = "large_objects.image must be in a repository ${var.name}-${var.environment}-… of this account and region, which roles and network reach, and named by its digest: ${var.account_id}.dkr.ecr.${var.region}.amazonaws.com/${var.name}-${var.environment}-tasks@sha256:<64 hexadecimal digits>."
  }

  validation {
    condition     = var.large_objects == null ? true : var.large_objects.above_gb >= 1 && var.large_objects.above_gb <= 45 && floor(var.large_objects.above_gb) == var.large_objects.above_gb
    error_message = "large_objects.above_gb must be a whole number of 1 to 45: a function reads no more than 45 GB in 15 minutes."
  }

  validation {
    condition     = var.large_objects == null ? true : var.network != null
    error_message = "large_objects needs network: a task runs in subnets, and has no public address."
  }
}

variable "log_auditor_reads" {
  type        = bool
  nullable    = false
  default     = true
  description = "Whether the trail logs what Athena reads of the provenance bucket with the role of the auditor function. False leaves out only these reads: its writes and everything that others do are still logged."
}

variable "log_signers" {
  type = map(object({
    algorithm   = string
    key_arn     = string
    valid_from  = string
    valid_until = optional(string)
    revoked_at  = optional(string)
  }))
  nullable    = false
  default     = {}
  description = "Further KMS keys that sign the log's checkpoints, by label, made outside of this configuration: for example an Ed25519 key (ECC_NIST_EDWARDS25519), which the provider does not make. Their key policies must allow the sealer's role kms:Sign, and the auditors' role kms:GetKeyLastUsage. End one with valid_until; never remove one."

  validation {
    condition     = alltrue([for label in keys(var.log_signers) : can(regex("^[a-z0-9][a-z0-9-]{0,19}$", label)) && !contains(keys(var.signing_keys), label)])
    error_message = "A label in log_signers must be at most 20 lower-case letters, digits and hyphens, and not one of signing_keys."
  }

  validation {
    condition     = alltrue([for signer in values(var.log_signers) : contains(["ecdsa-sha2-nistp256", "ed25519"], signer.algorithm)])
    error_message = "algorithm in log_signers must be ecdsa-sha2-nistp256 or ed25519."
  }

  validation {
    condition     = alltrue([for signer in values(var.log_signers) : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+$", signer.key_arn))])
    error_message = "key_arn in log_signers must be the ARN of a key: an alias could later name another key."
  }

  validation {
    condition = alltrue([
      for time in flatten([for signer in values(var.log_signers) : [signer.valid_from, signer.valid_until, signer.revoked_at]]) :
      time == null ? true : can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z$", time)) && can(timeadd(time, "0s"))
    ])
    error_message = "Times in log_signers must be RFC 3339 in UTC, such as 2026-01-01T00:00:00Z."
  }

  validation {
    condition     = alltrue([for signer in values(var.log_signers) : try(timecmp(signer.valid_from, plantimestamp()) <= 0, true)])
    error_message = "In log_signers, valid_from must not be in the future: checkpoints signed before it would not be valid."
  }
}

variable "log_succession" {
  type = object({
    end         = optional(object({ at = string, successor = optional(string) }))
    predecessor = optional(object({ origin = string, root = string, size = number }))
  })
  nullable    = false
  default     = {}
  description = "Freezes the log, or has a new one go on for another deployment's. end: after at (RFC 3339, UTC) the sealer makes sure that every receipt stored before is in the log, then seals the statement that it ends, with the origin of its successor if there is one, and nothing after it. It cannot be taken back once at has passed. predecessor: origin, size and root (hexadecimal, as custody fsck prints it) of a log that has ended; set it with the first apply, since this log's first entry names it, and the sealer begins the log within hours."

  validation {
    condition     = var.log_succession.end == null ? true : can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$", var.log_succession.end.at)) && can(timeadd(var.log_succession.end.at, "0s"))
    error_message = "at in log_succession.end must be RFC 3339 in UTC, such as 2026-12-01T00:00:00Z."
  }

  validation {
    condition = alltrue([
      for origin in [try(var.log_succession.end.successor, null), try(var.log_succession.predecessor.origin, null)] :
      origin == null ? true : can(regex("^[a-z0-9][a-z0-9.-]*(/[A-Za-z0-9._~-]+)*$", origin))
    ])
    error_message = "successor and origin in log_succession must be origins of logs: URLs without scheme, as in the output log_origin."
  }

  validation {
    condition     = var.log_succession.predecessor == null ? true : can(regex("^[0-9a-f]{64}$", var.log_succession.predecessor.root)) && var.log_succession.predecessor.size >= 1 && floor(var.log_succession.predecessor.size) == var.log_succession.predecessor.size
    error_message = "predecessor in log_succession must have a root of 64 hexadecimal digits and a size of 1 or more, as custody fsck prints them."
  }
}

variable "management_trail_arn" {
  type        = string
  default     = null
  description = "ARN of another trail, such as the organization's, that already logs the account's management write events: AWS bills a second copy of them. The alarms for a stopped trail, an opened evidence bucket or a disabled key then depend on it, and custody doctor checks that it logs these events. Null: the deployment's own trail logs them."

  validation {
    condition     = var.management_trail_arn == null ? true : can(regex("^arn:[a-z-]+:cloudtrail:[a-z0-9-]+:[0-9]{12}:trail/[A-Za-z0-9][A-Za-z0-9._-]{1,126}[A-Za-z0-9]$", var.management_trail_arn))
    error_message = "management_trail_arn must be the full ARN of a trail, arn:aws:cloudtrail:<region>:<account>:trail/<name> (aws cloudtrail describe-trails shows it), or be left out."
  }

  validation {
    condition     = var.management_trail_arn == null || try(var.existing_trail.arn, null) != var.management_trail_arn
    error_message = "management_trail_arn names existing_trail, which is expected to log management write events in any case: leave it out."
  }

  validation {
    condition     = var.management_trail_arn == null ? true : !endswith(var.management_trail_arn, ":${var.account_id}:trail/${var.name}-${var.environment}")
    error_message = "management_trail_arn names this deployment's own trail, so no trail would log management write events: leave it out."
  }
}

variable "name" {
  type        = string
  nullable    = false
  default     = "custody"
  description = "Name of the deployment. The first part of every name."

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,19}$", var.name))
    error_message = "name must be 3 to 20 lower-case letters and digits and start with a letter, such as custody. A hyphen is not allowed: the pattern custody-dev-* of custody in dev would also match the names of a deployment called custody-dev, and each could access the other."
  }
}

variable "network" {
  type = object({
    azs                 = list(string)
    cidr                = string
    service_bucket_arns = optional(set(string), [])
    services            = optional(set(string), ["athena", "events", "glue", "kms", "logs", "sns", "sqs"])
  })
  default     = null
  description = "A VPC without internet access, in which functions and jobs then run: Availability Zones (add new ones at the end), private address range, buckets owned by AWS that are read, and AWS services that are called, each through an endpoint that is billed per hour and zone. Null: no VPC; functions and jobs still call AWS services over TLS."

  validation {
    condition     = var.network == null ? true : alltrue([for az in var.network.azs : startswith(az, var.region)])
    error_message = "network.azs must be zones of ${var.region}, such as ${var.region}a."
  }

  validation {
    condition     = var.network == null ? true : length(setsubtract(["athena", "events", "glue", "kms", "logs", "sns", "sqs"], var.network.services)) == 0
    error_message = "network.services must have athena, events, glue, kms, logs, sns and sqs: without them the recorder cannot record, the gate can neither start jobs nor send messages, and the auditor can neither ask nor tell."
  }
}

variable "operators" {
  type = object({
    data   = optional(set(string), [])
    deploy = set(string)
  })
  nullable    = false
  description = "ARNs of roles and users, besides the kit's own, that may access objects. deploy: those that plan and apply this, and so write code and the key registry. data: those that read, write and erase all objects, data and logs, and receive messages from the queues; leave it empty if the data is valuable. Give a role of Identity Center as a pattern, …:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*."

  validation {
    condition     = length(var.operators.deploy) > 0
    error_message = "operators.deploy must name the role or user that applies this (aws sts get-caller-identity shows it; for a session, name its role): the buckets deny all others, and the next plan could not read them."
  }

  validation {
    condition = alltrue([
      for arn in setunion(var.operators.data, var.operators.deploy) :
      can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[^*?<>]+$", arn))
      || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/aws-reserved/sso\\.amazonaws\\.com/\\*AWSReservedSSO_[^*?<>]+_\\*$", arn))
    ])
    error_message = "operators must be full ARNs of roles or users, or patterns of permission sets (…:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*): replace the placeholders in env/${var.environment}.tfvars."
  }

  validation {
    condition     = length([for arn in setunion(var.operators.data, var.operators.deploy) : arn if can(regex(":role/AWSReservedSSO_", arn))]) == 0
    error_message = "A role of Identity Center in operators needs its path, without which it never matches: give the pattern …:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_<set>_*."
  }

  validation {
    condition = length([
      for pair in setproduct(setunion(var.operators.data, var.operators.deploy), setunion(var.operators.data, var.operators.deploy)) :
      pair if pair[0] != pair[1] && endswith(pair[0], "_*") && startswith(pair[1], trimsuffix(pair[0], "*"))
    ]) == 0
    error_message = "The pattern of one permission set in operators matches another's roles, too, because * stands for any text: rename one, so that no set's name begins with another's and _."
  }
}

variable "orchestrator" {
  type = object({
    network = object({
      security_group_ids = set(string)
      subnet_ids         = set(string)
    })
    size = optional(object({
      class          = optional(string, "mw1.small")
      maintenance    = optional(string, "SUN:03:00")
      max_webservers = optional(number, 2)
      max_workers    = optional(number, 2)
      min_webservers = optional(number, 2)
      min_workers    = optional(number, 1)
      schedulers     = optional(number, 2)
    }), {})
  })
  default     = null
  description = "An environment of Amazon MWAA that runs the DAGs: two private subnets in different Availability Zones of a VPC from which the services that docs/orchestration.md lists are reached, security groups whose members reach each other; and its size. Null: no Airflow, or one of your own."

  validation {
    condition     = var.orchestrator == null ? true : length(var.datasets) > 0
    error_message = "orchestrator needs datasets: without tables there is no daily run."
  }

  validation {
    condition     = var.orchestrator == null || var.permissions_boundaries == null ? true : var.permissions_boundaries.orchestrator != null
    error_message = "orchestrator needs permissions_boundaries.orchestrator: run make bootstrap again, and take it from the output variables."
  }
}

variable "people" {
  type = map(object({
    principals    = set(string)
    session_hours = optional(number, 1)
  }))
  nullable    = false
  default     = {}
  description = "For each persona (analyst, auditor, break-glass, data-engineer, producer, security-admin), the ARNs of the IAM users that may assume its role with MFA, and the session duration in hours. A persona that is left out has no role."

  validation {
    condition     = length(setsubtract(keys(var.people), ["analyst", "auditor", "break-glass", "data-engineer", "producer", "security-admin"])) == 0
    error_message = "people may have only analyst, auditor, break-glass, data-engineer, producer and security-admin: remove the others."
  }

  validation {
    condition = alltrue(flatten([
      for persona in values(var.people) : [
        length(persona.principals) > 0,
        [for arn in persona.principals : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:user/[^*?<>]+$", arn))],
      ]
    ]))
    error_message = "Each persona in people needs at least one full user ARN: an account or a wildcard would let others decide who has access, and a role has neither MFA nor a user name."
  }

  # The rest of the policy has about 310 characters. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  validation {
    condition     = alltrue([for persona in values(var.people) : length(jsonencode(persona.principals)) <= 1730])
    error_message = "A persona in people has more users than a role's trust policy holds, whose 2048 characters are enough for about 40: name fewer, or set identity_center, which has groups."
  }

  validation {
    condition = alltrue([
      for persona in values(var.people) : persona.session_hours >= 1 && persona.session_hours <= 12 && floor(persona.session_hours) == persona.session_hours
    ])
    error_message = "session_hours in people must be a whole number of 1 to 12: IAM accepts no other value."
  }

  validation {
    condition     = try(var.people["break-glass"].session_hours, 1) == 1
    error_message = "A session of break-glass lasts one hour: leave its session_hours out of people."
  }
}

variable "permissions_boundaries" {
  type = object({
    orchestrator = optional(string)
    people       = string
    service      = string
  })
  default     = null
  description = "ARNs of the permissions boundaries that terraform/bootstrap created. Null: they are created here, which requires permission to create policies."

  validation {
    condition = var.permissions_boundaries == null ? true : alltrue([
      for arn in compact(values(var.permissions_boundaries)) : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:policy/[^*?]+$", arn))
    ])
    error_message = "permissions_boundaries must be full ARNs of the account's own managed policies: take them from the output of terraform/bootstrap."
  }
}

variable "query" {
  type = object({
    failed_per_hour  = optional(number, 10)
    result_days      = optional(number, 30)
    scan_limit_bytes = optional(number, 107374182400)
    slow_minutes     = optional(number, 10)
  })
  nullable    = false
  default     = {}
  description = "Limits of the Athena workgroup: days that query results are kept, and bytes that one query may scan (default 100 GiB); and from how many failed queries in an hour, and how many minutes of one query, an alarm is raised."

  validation {
    condition     = var.query.failed_per_hour >= 1 && floor(var.query.failed_per_hour) == var.query.failed_per_hour
    error_message = "query.failed_per_hour must be a whole number of at least 1."
  }

  validation {
    condition     = var.query.slow_minutes > 0 && var.query.slow_minutes < 30
    error_message = "query.slow_minutes must be more than 0 and less than 30: Athena ends a query after 30 minutes."
  }

  validation {
    condition     = var.query.result_days >= 1 && floor(var.query.result_days) == var.query.result_days
    error_message = "query.result_days must be a whole number of at least 1."
  }

  validation {
    condition     = var.query.scan_limit_bytes >= 10485760 && floor(var.query.scan_limit_bytes) == var.query.scan_limit_bytes
    error_message = "query.scan_limit_bytes must be a whole number of at least 10485760 (10 MB): Athena accepts no lower limit."
  }
}

variable "recorded_prefixes" {
  type     = map(list(string))
  nullable = false
  default = {
    analytics  = [""]
    processed  = [""]
    "raw-data" = ["incoming/"]
  }
  description = "What must have a receipt: key prefixes by short bucket name (raw-data, processed, analytics). The empty prefix is the whole bucket."

  validation {
    condition     = length(setsubtract(keys(var.recorded_prefixes), ["analytics", "processed", "raw-data"])) == 0
    error_message = "recorded_prefixes may have only the buckets raw-data, processed and analytics: remove the others."
  }

  validation {
    condition     = alltrue([for prefixes in values(var.recorded_prefixes) : length(prefixes) > 0])
    error_message = "recorded_prefixes needs at least one prefix for each bucket: write [\"\"] for the whole bucket, or leave the bucket out."
  }

  validation {
    condition = alltrue([
      for prefix in flatten(values(var.recorded_prefixes)) : prefix == "" || can(regex("^[A-Za-z0-9!_.*'()=-][A-Za-z0-9!_.*'()=/-]*/$", prefix))
    ])
    error_message = "A prefix in recorded_prefixes must be empty or a folder such as incoming/: no slash at the start, one at the end, and only letters, digits and !_.*'()=- between slashes."
  }

  validation {
    condition = alltrue(flatten([
      for prefixes in values(var.recorded_prefixes) : [
        for i, one in prefixes : [for j, other in prefixes : i == j || !startswith(other, one)]
      ]
    ]))
    error_message = "No prefix in recorded_prefixes may begin with another of the same bucket: S3 refuses overlapping notifications. Keep the shorter one."
  }
}

variable "recorder" {
  type = object({
    batch_size      = optional(number, 10)
    max_concurrency = optional(number, 50)
    memory_mb       = optional(number, 1769)
    timeout_seconds = optional(number, 900)
  })
  nullable    = false
  default     = {}
  description = "Size of the recorder function. 1769 MB is one full vCPU; the default timeout is Lambda's maximum, since hashing a large object takes long."

  validation {
    condition     = var.recorder.batch_size >= 1 && var.recorder.batch_size <= 10
    error_message = "recorder.batch_size must be 1 to 10."
  }

  validation {
    condition     = var.recorder.max_concurrency >= 2 && var.recorder.max_concurrency <= 1000
    error_message = "recorder.max_concurrency must be 2 to 1000: an SQS event source accepts no other value."
  }

  validation {
    condition     = var.recorder.memory_mb >= 256 && var.recorder.memory_mb <= 10240
    error_message = "recorder.memory_mb must be 256 to 10240."
  }

  validation {
    condition     = var.recorder.timeout_seconds >= 60 && var.recorder.timeout_seconds <= 900
    error_message = "recorder.timeout_seconds must be 60 to 900."
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
    evidence_days   = optional(number, 365)
    evidence_mode   = optional(string, "GOVERNANCE")
    key_window_days = optional(number, 30)
    log_days        = optional(number, 365)
    noncurrent_days = optional(number, 365)
  })
  nullable    = false
  default     = {}
  description = "Retention periods. evidence: receipts and trail logs, under Object Lock in mode GOVERNANCE (an administrator can bypass it) or COMPLIANCE (nobody can); key_window: the waiting period before a key is deleted; log: log groups and access logs; noncurrent: noncurrent versions of data, which cannot be verified once they are deleted."

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.retention.evidence_mode)
    error_message = "retention.evidence_mode must be GOVERNANCE or COMPLIANCE."
  }

  validation {
    condition     = var.retention.evidence_days >= 1 && var.retention.evidence_days <= 18262 && floor(var.retention.evidence_days) == var.retention.evidence_days
    error_message = "retention.evidence_days must be a whole number of 1 to 18262 (50 years)."
  }

  validation {
    condition     = var.retention.key_window_days >= 7 && var.retention.key_window_days <= 30
    error_message = "retention.key_window_days must be 7 to 30: KMS accepts no other waiting period."
  }

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.retention.log_days)
    error_message = "retention.log_days must be a retention that CloudWatch Logs offers, such as 30, 90, 180, 365, 731 or 3653."
  }

  validation {
    condition     = var.retention.noncurrent_days >= 1 && floor(var.retention.noncurrent_days) == var.retention.noncurrent_days
    error_message = "retention.noncurrent_days must be a whole number of at least 1."
  }
}

variable "seal_seconds" {
  type        = number
  nullable    = false
  default     = 60
  description = "Seconds for which receipts are collected before they are sealed together; each seal costs a signature and some ten requests."

  validation {
    condition     = var.seal_seconds >= 1 && var.seal_seconds <= 300
    error_message = "seal_seconds must be 1 to 300: Lambda waits no longer for a batch."
  }
}

variable "signing_key" {
  type        = string
  nullable    = false
  description = "Label, in signing_keys, of the key that signs from now on."

  validation {
    condition     = contains(keys(var.signing_keys), var.signing_key)
    error_message = "signing_key must be one of the labels in signing_keys (${join(", ", keys(var.signing_keys))})."
  }

  validation {
    condition = try(
      var.signing_keys[var.signing_key].revoked_at == null && var.signing_keys[var.signing_key].valid_until == null, true
    )
    error_message = "signing_key names a key that is revoked or has a valid_until: its signatures would not be valid. Add a new label to signing_keys and name that."
  }
}

variable "signing_keys" {
  type = map(object({
    valid_from  = string
    valid_until = optional(string)
    revoked_at  = optional(string)
  }))
  nullable    = false
  description = "Signing keys by label, one for receipts and one for the log's checkpoints, with the times (RFC 3339, UTC, Z) between which their signatures are valid. To rotate: add a label, name it in signing_key, and give the old one valid_until. Never remove one: its receipts could no longer be verified."

  validation {
    condition     = alltrue([for label in keys(var.signing_keys) : can(regex("^[a-z0-9][a-z0-9-]{0,19}$", label))])
    error_message = "A label in signing_keys must be at most 20 lower-case letters, digits and hyphens, such as 2026a."
  }

  validation {
    condition = alltrue([
      for time in flatten([for key in values(var.signing_keys) : [key.valid_from, key.valid_until, key.revoked_at]]) :
      time == null ? true : can(regex("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?Z$", time)) && can(timeadd(time, "0s"))
    ])
    error_message = "Times in signing_keys must be RFC 3339 in UTC, such as 2026-01-01T00:00:00Z."
  }

  validation {
    condition = alltrue([
      for key in values(var.signing_keys) :
      key.valid_until == null ? true : try(timecmp(key.valid_from, key.valid_until) < 0, true)
    ])
    error_message = "In signing_keys, valid_until must be later than valid_from."
  }

  # The registry keeps every date it was given: correcting one later leaves a permanent finding.
  validation {
    condition = alltrue([
      for key in values(var.signing_keys) : try(timecmp(key.valid_from, plantimestamp()) <= 0, true)
    ])
    error_message = "In signing_keys, valid_from must not be in the future: receipts signed before it would never be valid, and no later change could repair them. Give a new key today's date, such as ${formatdate("YYYY-MM-DD", plantimestamp())}T00:00:00Z."
  }

  validation {
    condition = alltrue([
      for key in values(var.signing_keys) : key.revoked_at == null ? true : try(timecmp(key.revoked_at, plantimestamp()) <= 0, true)
    ])
    error_message = "In signing_keys, revoked_at must not be in the future: a revocation takes effect at a time that has passed. To end a key later, set valid_until."
  }

  validation {
    condition = alltrue([
      for key in values(var.signing_keys) : key.revoked_at == null ? true : try(timecmp(key.valid_from, key.revoked_at) <= 0, true)
    ])
    error_message = "In signing_keys, revoked_at must not be before valid_from: to invalidate all signatures of a key, set it to valid_from."
  }
}

variable "skip_account_checks" {
  type        = bool
  nullable    = false
  default     = false
  description = "Whether to plan without asking AWS for the caller's identity, for environments without an account. This also skips the check that the account is account_id."
}

variable "snowflake" {
  type = object({
    account      = string
    external_id  = string
    iam_user_arn = string
    run_by       = optional(set(string), [])
    task = optional(object({
      image = string
      network = object({
        security_group_ids = set(string)
        subnet_ids         = set(string)
      })
    }))
  })
  default     = null
  description = "Snowflake, into which gold tables are loaded (docs/warehouse.md): the account's identifier; the external ID and the IAM user of its storage integration, with which it reads gold; and either the roles that may assume the loader's, or a task on Fargate that loads: the image of task/Dockerfile.loader in Amazon ECR, by its digest, and where it runs (that network must lead to Snowflake). The people in operators.data store the loader's private key. Null: gold is not loaded anywhere."

  validation {
    condition     = var.snowflake == null ? true : can(regex("^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$", var.snowflake.account))
    error_message = "snowflake.account must be an account identifier such as myorg-account123."
  }

  validation {
    condition     = var.snowflake == null ? true : can(regex("^[A-Za-z0-9+=,.@:/_-]{8,64}$", var.snowflake.external_id))
    error_message = "snowflake.external_id must be 8 to 64 letters, digits and characters of +=,.@:/_-."
  }

  validation {
    condition     = var.snowflake == null ? true : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:user/[^*?]+$", var.snowflake.iam_user_arn))
    error_message = "snowflake.iam_user_arn must be the full ARN of a user: DESC INTEGRATION shows it as STORAGE_AWS_IAM_USER_ARN."
  }

  validation {
    condition     = var.snowflake == null ? true : (length(var.snowflake.run_by) == 0) != (var.snowflake.task == null)
    error_message = "snowflake needs either run_by, at least one role that loads, or task, which loads by itself."
  }

  validation {
    condition     = var.snowflake == null ? true : alltrue([for arn in var.snowflake.run_by : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "snowflake.run_by must be full ARNs of roles."
  }

  validation {
    condition     = try(var.snowflake.task.image, null) == null ? true : can(regex("^${var.account_id}\\.dkr\\.ecr\\.${var.region}\\.amazonaws\\.com(\\.cn)?/${var.name}-${var.environment}-[a-z0-9._/-]*@sha256:[0-9a-f]{64}$", var.snowflake.task.image))
    error_message = "snowflake.task.image must be in a repository ${var.name}-${var.environment}-… of this account and region, which roles reach, and named by its digest: ${var.account_id}.dkr.ecr.${var.region}.amazonaws.com/${var.name}-${var.environment}-loader@sha256:<64 hexadecimal digits>."
  }

  validation {
    condition     = var.snowflake == null || length(var.operators.data) > 0
    error_message = "snowflake needs somebody in operators.data: nobody else may store the private key."
  }
}

variable "stream" {
  type = object({
    buffering_mib     = optional(number, 64)
    buffering_seconds = optional(number, 300)
    freshness_seconds = optional(number, 1800)
    parquet = optional(object({
      table = string
    }))
  })
  nullable    = false
  default     = {}
  description = "The streams: each delivers an object when so many MiB have come or so many seconds after the first record, and alarms when a record has waited for freshness_seconds. parquet: delivered as Parquet by the columns of a Glue table of the kit's database, under incoming/stream/<table>-parquet/, for readers other than the kit's jobs, which take lines from streams."

  validation {
    condition     = var.stream.buffering_mib >= (var.stream.parquet == null ? 1 : 64) && var.stream.buffering_mib <= 128 && floor(var.stream.buffering_mib) == var.stream.buffering_mib
    error_message = "stream.buffering_mib must be a whole number of 1 to 128, of 64 to 128 for Parquet: Firehose accepts no other value."
  }

  validation {
    condition     = var.stream.buffering_seconds >= 0 && var.stream.buffering_seconds <= 900 && floor(var.stream.buffering_seconds) == var.stream.buffering_seconds
    error_message = "stream.buffering_seconds must be a whole number of 0 to 900: Firehose accepts no other value."
  }

  validation {
    condition     = var.stream.freshness_seconds > var.stream.buffering_seconds
    error_message = "stream.freshness_seconds must be more than stream.buffering_seconds: records may always wait that long."
  }
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

variable "trail_regions" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "Regions whose trail logs the tables read, in addition to the deployment's region and us-east-1 (global services)."

  validation {
    condition     = alltrue([for region in var.trail_regions : can(regex("^[a-z]{2,8}(-[a-z0-9]+)+-[0-9]{1,2}$", region))])
    error_message = "trail_regions must be names of AWS regions, such as eu-central-1."
  }
}

variable "trusted_networks" {
  type        = set(string)
  nullable    = false
  default     = []
  description = "IPv4 networks from which people and producers access data and evidence, in CIDR notation: the rule untrusted-network reports access from others. Access is not restricted by it. None: nothing is reported."

  validation {
    condition     = alltrue([for network in var.trusted_networks : can(regex("^[0-9.]+/[0-9]+$", network)) && try(cidrsubnet(network, 0, 0), "") == network])
    error_message = "trusted_networks must be IPv4 networks such as 203.0.113.0/24, without bits set after the prefix."
  }
}

variable "verify_objects" {
  type = object({
    schedule        = optional(string, "cron(0 3 ? * SUN *)")
    timeout_minutes = optional(number, 1440)
    worker_type     = optional(string, "G.1X")
    workers         = optional(number, 4)
  })
  default     = null
  description = "A Glue job that hashes every object of the sealed log again: when (UTC), the number of its workers (including the driver), their type, and its timeout. Its reports are in the artifacts bucket, under verifications/. Null: nobody does; custody verify reads objects from one machine."

  # https://docs.aws.amazon.com/glue/latest/dg/monitor-data-warehouse-schedule.html
  validation {
    condition     = var.verify_objects == null ? true : can(regex("^cron\\([^ ()]+( [^ ()]+){5}\\)$", var.verify_objects.schedule))
    error_message = "verify_objects.schedule must be a cron expression of six fields, such as cron(0 3 ? * SUN *)."
  }

  validation {
    condition     = var.verify_objects == null ? true : var.verify_objects.timeout_minutes >= 5 && var.verify_objects.timeout_minutes <= 10080
    error_message = "verify_objects.timeout_minutes must be 5 to 10080: Glue stops a run after seven days."
  }

  validation {
    condition     = var.verify_objects == null ? true : contains(["G.1X", "G.2X", "G.4X", "G.8X"], var.verify_objects.worker_type) && var.verify_objects.workers >= 2 && var.verify_objects.workers <= 299
    error_message = "verify_objects needs 2 to 299 workers, one of which is the driver, of type G.1X, G.2X, G.4X or G.8X."
  }
}

variable "warehouse" {
  type = object({
    account       = string
    api_arn       = string
    endpoint      = string
    readers       = optional(set(string), [])
    rotation_days = optional(number, 30)
  })
  default     = null
  description = "The account with which data is loaded into a warehouse: its name; the API that sets and tests its password, by ARN with stage and as an https URL (src/custody/warehouse/account_api.py describes it); the roles that read the password; and the rotation period in days. Null: no such account and no secret."

  validation {
    condition     = var.warehouse == null ? true : can(regex("^[A-Za-z0-9_.-]{1,64}$", var.warehouse.account))
    error_message = "warehouse.account must be at most 64 letters, digits, dots, hyphens and underscores."
  }

  validation {
    condition     = var.warehouse == null ? true : can(regex("^arn:[a-z-]+:execute-api:[a-z0-9-]+:[0-9]{12}:[a-z0-9]+/[A-Za-z0-9_$-]+$", var.warehouse.api_arn))
    error_message = "warehouse.api_arn must be the ARN of one stage of an API, arn:aws:execute-api:<region>:<account>:<api-id>/<stage>."
  }

  validation {
    condition     = var.warehouse == null ? true : can(regex("^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9_./-]*)?$", var.warehouse.endpoint))
    error_message = "warehouse.endpoint must be an https URL of host and path: the password is sent there."
  }
}

variable "watermark_minutes" {
  type        = number
  nullable    = false
  default     = 60
  description = "Minutes until a missing receipt or trail event is a finding and not just late. CloudTrail usually delivers within minutes, but does not guarantee it."

  validation {
    condition     = var.watermark_minutes >= 0 && var.watermark_minutes <= 1440 && floor(var.watermark_minutes) == var.watermark_minutes
    error_message = "watermark_minutes must be a whole number of 0 to 1440."
  }
}

variable "witnesses" {
  type = map(object({
    key = string
    url = string
  }))
  nullable    = false
  default     = {}
  description = "Witnesses of the log, by label: each one's verifier key, of an Ed25519 cosignature, and the https URL below which it takes /add-checkpoint (https://c2sp.org/tlog-witness). Every hour the sealer asks for the cosignatures that the newest checkpoint lacks. A witness must be run by somebody else, and must have been given the log's keys; public ones want a line of Ed25519 (log_signers)."

  validation {
    condition     = alltrue([for label in keys(var.witnesses) : can(regex("^[a-z0-9][a-z0-9-]{0,19}$", label))])
    error_message = "A label in witnesses must be at most 20 lower-case letters, digits and hyphens."
  }

  validation {
    condition     = alltrue([for witness in values(var.witnesses) : can(regex("^https://[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$", witness.url))])
    error_message = "url in witnesses must be an https URL of host and path, without /add-checkpoint."
  }

  # 0x04, the type of such a key, and 32 bytes are 44 characters of base64.
  validation {
    condition     = alltrue([for witness in values(var.witnesses) : can(regex("^[!-*,-~]{1,200}[+][0-9a-f]{8}[+]B[A-P][A-Za-z0-9+/]{42}$", witness.key))])
    error_message = "key in witnesses must be the verifier key of an Ed25519 cosignature, <name>+<8 hexadecimal digits>+<44 characters of base64>, as the witness publishes it (custody witness prints it)."
  }

  validation {
    condition     = length(distinct([for witness in values(var.witnesses) : split("+", witness.key)[0]])) == length(var.witnesses)
    error_message = "Each of the witnesses must have another name in its key: two lines of one witness count once."
  }

  # A function's environment holds 4 KB, half of it for the other settings.
  validation {
    condition     = length(jsonencode(var.witnesses)) <= 2000
    error_message = "witnesses are too many: together they may have 2,000 characters, which are about 10."
  }

  validation {
    condition     = var.network == null || length(var.witnesses) == 0
    error_message = "witnesses cannot be reached from the VPC of network, which has no way to the internet: leave out one of both. Whoever may read the log can still watch it from outside (custody watch)."
  }
}
