# The pipeline on one machine: no account, no valuable data.
account_id          = "123456789012"
environment         = "local"
force_destroy       = true
region              = "us-east-1"
skip_account_checks = true

datasets = ["examples/streaming"]

# One user has every persona here.
operators = {
  data   = ["arn:aws:iam::123456789012:user/operator"]
  deploy = ["arn:aws:iam::123456789012:user/operator"]
}

people = {
  analyst        = { principals = ["arn:aws:iam::123456789012:user/operator"], session_hours = 8 }
  auditor        = { principals = ["arn:aws:iam::123456789012:user/operator"], session_hours = 8 }
  break-glass    = { principals = ["arn:aws:iam::123456789012:user/operator"] }
  data-engineer  = { principals = ["arn:aws:iam::123456789012:user/operator"], session_hours = 8 }
  producer       = { principals = ["arn:aws:iam::123456789012:user/operator"], session_hours = 8 }
  security-admin = { principals = ["arn:aws:iam::123456789012:user/operator"], session_hours = 4 }
}

retention = {
  evidence_days   = 1
  key_window_days = 7
  log_days        = 365
  noncurrent_days = 7
}

# Receipts arrive one by one here.
seal_seconds = 1

signing_key = "a"
signing_keys = {
  a = { valid_from = "2025-01-01T00:00:00Z" }
}

# Trail files and receipts arrive within seconds here.
watermark_minutes = 1
