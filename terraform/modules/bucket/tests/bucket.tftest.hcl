mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  access_log_bucket = "custody-test-access-logs-123456789012"
  key_arn           = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890ab"
  lifecycle_days    = { noncurrent = 30 }
  name              = "custody-test-raw-data-123456789012"
  principals        = ["arn:aws:iam::123456789012:role/custody-test-recorder", "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_custody-test-auditor_*"]
}

run "is_hardened" {
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "Public access is blocked."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "ACLs are off."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "Every version is kept."
  }

  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      rule.bucket_key_enabled && rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms"
      && rule.apply_server_side_encryption_by_default[0].kms_master_key_id == var.key_arn
    ])
    error_message = "Objects are encrypted with the key, through a bucket key."
  }

  assert {
    condition     = aws_s3_bucket_logging.this[0].target_bucket == var.access_log_bucket
    error_message = "Access is logged."
  }

  assert {
    condition = [for s in data.aws_iam_policy_document.this.statement : s.sid if s.effect == "Deny"] == [
      "NobodyWithoutTls", "NobodyElseTouchesObjects", "NobodyWithAnotherEncryption", "NobodyWithAnotherKey",
      "NobodyWithTheirOwnKey", "NobodyReencrypts", "NobodyIntoAnArchive",
    ]
    error_message = "The policy denies everybody requests without TLS, other encryption and archive classes, and denies other principals everything."
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : {
        actions    = toset(s.actions)
        resources  = toset(s.resources)
        conditions = { for c in s.condition : "${c.test} ${c.variable}" => toset(c.values) }
      } if s.sid == "NobodyReencrypts"
      ] == [{
        actions    = toset(["s3:UpdateObjectEncryption"])
        resources  = toset(["arn:aws:s3:::custody-test-raw-data-123456789012/*"])
        conditions = { "StringNotEquals s3:x-amz-server-side-encryption-aws-kms-key-id" = toset([var.key_arn]) }
    }]
    error_message = "No object is put under another key than the bucket's, and none by a request that names no key."
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : {
        actions    = toset(s.actions)
        conditions = { for c in s.condition : "${c.test} ${c.variable}" => toset(c.values) }
      } if s.sid == "NobodyIntoAnArchive"
      ] == [{
        actions = toset(["s3:PutObject"])
        conditions = {
          "StringNotEquals s3:x-amz-storage-class" = toset(["GLACIER_IR", "INTELLIGENT_TIERING", "STANDARD", "STANDARD_IA"])
          "Null s3:x-amz-storage-class"            = toset(["false"])
        }
    }]
    error_message = "Only storage classes that are readable at once and survive the loss of a zone are allowed; the default is STANDARD."
  }

  assert {
    condition     = length([for s in data.aws_iam_policy_document.this.statement : s if s.effect != "Deny"]) == 0
    error_message = "The policy gives nothing: our own have policies of their own."
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : {
        actions    = toset(s.actions)
        resources  = toset(s.resources)
        conditions = { for c in s.condition : "${c.test} ${c.variable}" => toset(c.values) }
      } if s.sid == "NobodyElseTouchesObjects"
      ] == [{
        actions    = toset(["s3:*"])
        resources  = toset(["arn:aws:s3:::custody-test-raw-data-123456789012/*"])
        conditions = { "ArnNotLike aws:PrincipalArn" = toset(var.principals), "Bool aws:PrincipalIsAWSService" = toset(["false"]) }
    }]
    error_message = "A principal that is not named and is no service cannot access any object."
  }

  assert {
    condition     = length(aws_s3_bucket_object_lock_configuration.this) == 0 && length(aws_s3_bucket_notification.this) == 0
    error_message = "A lock and notifications are there only if asked for."
  }

  assert {
    condition     = output.name == var.name && output.arn == "arn:aws:s3:::${var.name}"
    error_message = "Name and ARN are made from the input."
  }
  assert {
    condition = alltrue([
      for s in data.aws_iam_policy_document.this.statement : contains(
        [for c in s.condition : "${c.test}:${join(",", c.values)}" if c.variable == "s3:x-amz-server-side-encryption-aws-kms-key-id"],
        "Null:false",
      ) if s.sid == "NobodyWithAnotherKey"
    ])
    error_message = "A request that names no key must not be denied: it gets the bucket's."
  }
}

run "keeps_evidence" {
  variables {
    object_lock    = { days = 30, mode = "GOVERNANCE" }
    name           = "custody-test-provenance-123456789012"
    objects        = { "keys/registry.json" = { content = "{}", content_type = "application/json", retain_until = "2040-01-01T00:00:00Z" } }
    lifecycle_days = { noncurrent = 30 }
    sole_writers = {
      "keys/"       = { principals = ["arn:aws:iam::123456789012:role/custody-test-recorder"], writes = "freely" }
      "log/"        = { principals = ["arn:aws:iam::123456789012:role/custody-test-recorder"], writes = "checked" }
      "provenance/" = { principals = ["arn:aws:iam::123456789012:role/custody-test-recorder"], writes = "once" }
    }
  }

  assert {
    condition     = aws_s3_bucket.this.object_lock_enabled
    error_message = "Object Lock is on from the start: it cannot be had later."
  }

  assert {
    condition = (
      aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].mode == "GOVERNANCE"
      && aws_s3_bucket_object_lock_configuration.this[0].rule[0].default_retention[0].days == 30
    )
    error_message = "Retention is as asked for."
  }

  assert {
    condition = {
      for s in data.aws_iam_policy_document.this.statement : s.sid => coalesce(s.effect, "Allow") if !startswith(s.sid, "NobodyWith")
      } == {
      NobodyDeletesEvidence            = "Deny"
      NobodyElseCreatesUnderKeys       = "Deny"
      NobodyElseCreatesUnderLog        = "Deny"
      NobodyElseCreatesUnderProvenance = "Deny"
      NobodyElseTouchesObjects         = "Deny"
      NobodyIntoAnArchive              = "Deny"
      NobodyOverwritesUnderLog         = "Deny"
      NobodyOverwritesUnderProvenance  = "Deny"
      NobodyReencrypts                 = "Deny"
      NobodyShortensRetention          = "Deny"
    }
    error_message = "Only the sole writers create, once if configured; nobody deletes."
  }

  assert {
    condition = {
      for s in data.aws_iam_policy_document.this.statement : s.sid => toset(s.actions)
      if contains(["NobodyDeletesEvidence", "NobodyReencrypts"], s.sid) && length(s.condition) == 0
      } == {
      NobodyDeletesEvidence = toset(["s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ReplicateDelete"])
      NobodyReencrypts      = toset(["s3:UpdateObjectEncryption"])
    }
    error_message = "Evidence is neither deleted, by a replication either, nor re-encrypted, by whatever key."
  }

  assert {
    condition = {
      for s in data.aws_iam_policy_document.this.statement :
      s.sid => toset([for c in s.condition : c.variable if c.test == "Null" && tolist(c.values) == tolist(["true"])])
      if startswith(s.sid, "NobodyOverwrites")
      } == {
      NobodyOverwritesUnderLog        = toset(["s3:if-match", "s3:if-none-match"])
      NobodyOverwritesUnderProvenance = toset(["s3:if-none-match"])
    }
    error_message = "A receipt must be new; an object of the log must be new or replace the one that the writer has read."
  }

  assert {
    condition = (
      aws_s3_object.this["keys/registry.json"].content == "{}"
      && aws_s3_object.this["keys/registry.json"].object_lock_mode == "GOVERNANCE"
      && aws_s3_object.this["keys/registry.json"].object_lock_retain_until_date == "2040-01-01T00:00:00Z"
    )
    error_message = "The bucket has the objects of the input, under Object Lock."
  }
}

run "notifies_a_queue_of_everything_created_under_a_prefix" {
  variables {
    notifications = {
      recorder-0 = { queue_arn = "arn:aws:sqs:eu-central-1:123456789012:custody-test-recorder", prefix = "incoming/" }
    }
  }

  assert {
    condition = (
      aws_s3_bucket_notification.this[0].queue[0].events == toset(["s3:ObjectCreated:*"])
      && aws_s3_bucket_notification.this[0].queue[0].filter_prefix == "incoming/"
    )
    error_message = "Uploads in one, in parts and copies are all heard of."
  }
}

run "takes_access_logs" {
  variables {
    access_log_bucket = null
    key_arn           = null
    name              = "custody-test-access-logs-123456789012"
    lifecycle_days    = { noncurrent = 7, expiration = 30 }
    principals        = []
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : [for c in s.condition : c.variable] if s.sid == "NobodyElseTouchesObjects"
    ] == [["aws:PrincipalIsAWSService"]]
    error_message = "If nobody is named, only services access objects."
  }

  assert {
    condition     = alltrue([for s in data.aws_iam_policy_document.this.statement : length(s.condition) == 0 if s.sid == "NobodyReencrypts"])
    error_message = "Access logs stay under S3's own encryption: any key is another one."
  }

  assert {
    condition = (
      one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    )
    error_message = "S3 delivers access logs with SSE-S3 only."
  }

  assert {
    condition     = length(aws_s3_bucket_logging.this) == 0
    error_message = "The bucket of access logs does not log itself."
  }

  assert {
    condition     = aws_s3_bucket_lifecycle_configuration.this.rule[0].expiration[0].days == 30
    error_message = "Access logs go after a while."
  }
}

# A run takes seconds: each of the following tests as many refusals as possible at once, one wrong value per variable.

run "refuses_what_is_not_there" {
  command = plan
  variables {
    access_log_bucket = null
    lifecycle_days    = { noncurrent = 0.5 }
    name              = "custody.test"
    notifications     = { "the recorder" = { queue_arn = "arn:aws:sqs:eu-central-1:123456789012:q", prefix = "" } }
    policy_documents  = ["allow everything"]
    principals        = ["arn:aws:iam::123456789012:role/*"]
  }
  expect_failures = [
    var.key_arn,
    var.lifecycle_days,
    var.name,
    var.notifications,
    var.policy_documents,
    var.principals,
  ]
}

run "refuses_what_could_not_be_kept" {
  command = plan
  variables {
    force_destroy  = true
    lifecycle_days = { noncurrent = 29 }
    object_lock    = { days = 30, mode = "COMPLIANCE" }
    objects        = { "keys/registry.json" = { content = "{}", content_type = "application/json" } }
    principals     = ["arn:aws:iam::123456789012:root"]
  }
  expect_failures = [var.force_destroy, var.lifecycle_days, var.objects, var.principals]
}

run "refuses_to_expire_evidence_and_writers_who_are_nobody" {
  command = plan
  variables {
    lifecycle_days = { noncurrent = 30, expiration = 365 }
    object_lock    = { days = 30, mode = "GOVERNANCE" }
    sole_writers   = { "provenance/" = { principals = [], writes = "once" } }
  }
  expect_failures = [var.lifecycle_days, var.sole_writers]
}

run "refuses_an_unknown_lock_and_writers_who_are_refused" {
  command = plan
  variables {
    object_lock  = { days = 30, mode = "LEGAL_HOLD" }
    sole_writers = { "provenance/" = { principals = ["arn:aws:iam::123456789012:role/custody-test-sealer"], writes = "once" } }
  }
  expect_failures = [var.object_lock, var.sole_writers]
}

run "refuses_to_write_twice" {
  command = plan
  variables {
    sole_writers = { "provenance/" = { principals = ["arn:aws:iam::123456789012:role/custody-test-recorder"], writes = "twice" } }
  }
  expect_failures = [var.sole_writers]
}

run "refuses_a_prefix_that_is_no_folder" {
  command = plan
  variables {
    sole_writers = { "/" = { principals = ["arn:aws:iam::123456789012:role/custody-test-recorder"], writes = "once" } }
  }
  expect_failures = [var.sole_writers]
}

run "replicates_what_is_encrypted_and_no_deletion" {
  variables {
    replication = {
      account_id = "210987654321"
      bucket     = "copy"
      key_arn    = "arn:aws:kms:us-west-2:210987654321:key/1234"
      prefix     = "deployments/"
      role_arn   = "arn:aws:iam::123456789012:role/custody-test-evidence-copy"
      rule_id    = "evidence-copy"
    }
  }

  assert {
    condition = [
      for rule in aws_s3_bucket_replication_configuration.this[0].rule : {
        account = rule.destination[0].account
        bucket  = rule.destination[0].bucket
        deletes = rule.delete_marker_replication[0].status
        id      = rule.id
        key     = rule.destination[0].encryption_configuration[0].replica_kms_key_id
        owner   = rule.destination[0].access_control_translation[0].owner
        prefix  = rule.filter[0].prefix
        sse_kms = rule.source_selection_criteria[0].sse_kms_encrypted_objects[0].status
        status  = rule.status
        time    = rule.destination[0].replication_time[0].time[0].minutes
      }
      ] == [{
        account = "210987654321"
        bucket  = "arn:aws:s3:::copy"
        deletes = "Disabled"
        id      = "evidence-copy"
        key     = "arn:aws:kms:us-west-2:210987654321:key/1234"
        owner   = "Destination"
        prefix  = "deployments/"
        sse_kms = "Enabled"
        status  = "Enabled"
        time    = 15
    }]
    error_message = "One rule replicates what the prefix names, encrypted, into the other account's ownership, and no delete marker."
  }
}

run "refuses_to_replicate_with_another_accounts_key" {
  command = plan

  variables {
    replication = {
      account_id = "210987654321"
      bucket     = "copy"
      key_arn    = "arn:aws:kms:us-west-2:123456789012:key/1234"
      role_arn   = "custody-test-evidence-copy"
      rule_id    = "evidence-copy"
    }
  }

  expect_failures = [var.replication]
}
