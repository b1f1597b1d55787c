# Replace everything in angle brackets; a plan refuses what is left of it.
account_id   = "<your-account-id>"
alert_emails = ["<your-address>"]
environment  = "dev"
region       = "<your-region>"

retention = {
  evidence_days   = 30
  log_days        = 365
  noncurrent_days = 30
}

# Times between which a key's signatures hold. valid_from: today, before the first receipt.
signing_key = "a"
signing_keys = {
  a = { valid_from = "<today>T00:00:00Z" }
}
