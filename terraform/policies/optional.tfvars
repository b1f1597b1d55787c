# The parts that are off in every environment, enabled for the scan and the access matrix: this file deploys nothing.
account_id  = "123456789012"
environment = "optional"
region      = "us-east-1"

operators = {
  data   = ["arn:aws:iam::123456789012:role/custody-optional-data"]
  deploy = ["arn:aws:iam::123456789012:role/custody-optional-apply"]
}
people = {
  auditor     = { principals = ["arn:aws:iam::123456789012:user/operator"] }
  break-glass = { principals = ["arn:aws:iam::123456789012:user/operator"] }
}
signing_key = "a"
signing_keys = {
  a = { valid_from = "2025-01-01T00:00:00Z" }
}

adopted_buckets = {
  archive = {
    bucket   = "adopted-archive"
    key_arn  = "arn:aws:kms:us-east-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
    prefixes = ["letters/"]
    since    = "2026-01-01T00:00:00Z"
  }
}

evidence_copy = {
  bucket  = "copied-evidence"
  key_arn = "arn:aws:kms:us-west-2:999999999999:key/89abcdef-0123-4567-89ab-cdef01234567"
}

large_objects = {
  image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/custody-optional-tasks@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
}

network = {
  azs  = ["us-east-1a", "us-east-1b"]
  cidr = "10.20.0.0/16"
}

finding_emails = { "digest@example.org" = ["low", "medium"] }

log_auditor_reads = false

orchestrator = {
  network = { security_group_ids = ["sg-0123456789abcdef0"], subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"] }
}

snowflake = {
  account      = "myorg-account123"
  external_id  = "custody-optional"
  iam_user_arn = "arn:aws:iam::999999999999:user/outsider"
  task = {
    image   = "123456789012.dkr.ecr.us-east-1.amazonaws.com/custody-optional-loader@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    network = { security_group_ids = ["sg-0123456789abcdef0"], subnet_ids = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"] }
  }
}

stream = { parquet = { table = "events" } }

verify_objects = {}

warehouse = {
  account  = "loader"
  api_arn  = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/v1"
  endpoint = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/v1"
}
