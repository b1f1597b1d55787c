data "aws_partition" "current" {}

locals {
  arn = "arn:${data.aws_partition.current.partition}:s3:::${var.name}"

  # Whether there is a key, derived from a value known at plan: the key's ARN is not.
  has_key = var.access_log_bucket != null

  # By the prefix as part of a statement id: provenance/ → Provenance.
  sole_writers = {
    for prefix, writers in var.sole_writers :
    replace(title(replace(prefix, "/[^a-z0-9]+/", " ")), " ", "") => merge(writers, { prefix = prefix })
  }
}

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV2_AWS_62:The caller decides which buckets send notifications; recorded buckets do
  # checkov:skip=CKV_AWS_145:S3 delivers access logs with SSE-S3 only; every other bucket must have a key, or the plan fails
  # checkov:skip=CKV_AWS_144:Versioning and Object Lock keep what is stored; a second region (replication) is a separate decision about data residency
  bucket              = var.name
  force_destroy       = var.force_destroy
  object_lock_enabled = var.object_lock != null
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.bucket

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.bucket

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.bucket

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket

  rule {
    bucket_key_enabled = local.has_key

    apply_server_side_encryption_by_default {
      sse_algorithm     = local.has_key ? "aws:kms" : "AES256"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_object_lock_configuration" "this" {
  count = var.object_lock == null ? 0 : 1

  bucket = aws_s3_bucket.this.bucket

  rule {
    default_retention {
      mode = var.object_lock.mode
      days = var.object_lock.days
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "this" {
  count = var.access_log_bucket == null ? 0 : 1

  bucket        = aws_s3_bucket.this.bucket
  target_bucket = var.access_log_bucket
  target_prefix = "${var.name}/"
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.bucket

  rule {
    id     = "retention"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }

    noncurrent_version_expiration {
      noncurrent_days = var.lifecycle_days.noncurrent
    }

    dynamic "expiration" {
      for_each = var.lifecycle_days.expiration == null ? [] : [var.lifecycle_days.expiration]

      content {
        days = expiration.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_notification" "this" {
  count = length(var.notifications) > 0 ? 1 : 0

  bucket = aws_s3_bucket.this.bucket

  dynamic "queue" {
    for_each = var.notifications

    content {
      id            = queue.key
      queue_arn     = queue.value.queue_arn
      filter_prefix = queue.value.prefix
      events        = ["s3:ObjectCreated:*"]
    }
  }
}

# A delete marker would hide the replica: it stays here. What is encrypted with SSE-KMS is replicated only if this asks for it.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-add-config.html
resource "aws_s3_bucket_replication_configuration" "this" {
  count = var.replication == null ? 0 : 1

  bucket = aws_s3_bucket.this.bucket
  role   = var.replication.role_arn

  rule {
    id       = var.replication.rule_id
    priority = 0
    status   = "Enabled"

    filter {
      prefix = var.replication.prefix
    }

    delete_marker_replication {
      status = "Disabled"
    }

    source_selection_criteria {
      sse_kms_encrypted_objects {
        status = "Enabled"
      }
    }

    # The account is named so that replicas are its own, and go to no other account that gets a bucket of this name.
    destination {
      account = var.replication.account_id
      bucket  = "arn:${data.aws_partition.current.partition}:s3:::${var.replication.bucket}"

      access_control_translation {
        owner = "Destination"
      }

      encryption_configuration {
        replica_kms_key_id = var.replication.key_arn
      }

      metrics {
        status = "Enabled"

        event_threshold {
          minutes = 15
        }
      }

      replication_time {
        status = "Enabled"

        time {
          minutes = 15
        }
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_object" "this" {
  for_each = var.objects

  bucket             = aws_s3_bucket.this.bucket
  key                = each.key
  content            = each.value.content
  content_type       = each.value.content_type
  checksum_algorithm = "SHA256"
  force_destroy      = var.force_destroy

  object_lock_mode              = try(var.object_lock.mode, null)
  object_lock_retain_until_date = each.value.retain_until

  # Only once encryption and Object Lock are configured, and what is stored is replicated.
  depends_on = [
    aws_s3_bucket_object_lock_configuration.this,
    aws_s3_bucket_replication_configuration.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
  ]
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.bucket
  policy = data.aws_iam_policy_document.this.json

  depends_on = [
    aws_s3_bucket_object_lock_configuration.this,
    aws_s3_bucket_ownership_controls.this,
    aws_s3_bucket_public_access_block.this,
    aws_s3_bucket_replication_configuration.this,
    aws_s3_bucket_server_side_encryption_configuration.this,
    aws_s3_bucket_versioning.this,
    aws_s3_object.this,
  ]
}
