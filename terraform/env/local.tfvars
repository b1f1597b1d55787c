# The pipeline on one machine: no account, nothing of worth in it.
account_id          = "123456789012"
environment         = "local"
force_destroy       = true
region              = "us-east-1"
skip_account_checks = true

retention = {
  evidence_days   = 1
  key_window_days = 7
  log_days        = 365
  noncurrent_days = 7
}

signing_key = "a"
signing_keys = {
  a = { valid_from = "2025-01-01T00:00:00Z" }
}

# Trail and receipts come within seconds here.
watermark_minutes = 1
