# Replace everything in angle brackets; a plan refuses what is left of it.
account_id   = "<your-account-id>"
alert_emails = ["<your-address>"]
environment  = "prod"
region       = "<your-region>"

# Who runs Terraform. The output variables of terraform/bootstrap has this and permissions_boundaries, to paste here.
operators = {
  deploy = ["<arn-of-your-plan-role>", "<arn-of-your-apply-role>"]
}

# Which IAM users may be whom, signed in with MFA; or leave people out and say identity_center. A persona that is not
# named has no role.
people = {
  auditor     = { principals = ["<arn-of-an-iam-user>"], session_hours = 8 }
  break-glass = { principals = ["<arn-of-an-iam-user>"] }
  producer    = { principals = ["<arn-of-an-iam-user>"], session_hours = 8 }
}

# COMPLIANCE: nobody, the account's owner included, can delete evidence or shorten its retention before it ends.
retention = {
  evidence_days   = 2557
  evidence_mode   = "COMPLIANCE"
  log_days        = 731
  noncurrent_days = 2557
}

# Times between which a key's signatures hold. valid_from: today, before the first receipt.
signing_key = "a"
signing_keys = {
  a = { valid_from = "<today>T00:00:00Z" }
}
