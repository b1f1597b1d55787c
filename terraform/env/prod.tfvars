# Replace everything in angle brackets; a plan fails while any is left.
account_id   = "<your-account-id>"
alert_emails = ["<your-address>"]
environment  = "prod"
region       = "<your-region>"

# The data sets that tables are made of. Yours may lie anywhere: name its folder, by an absolute path outside of this one.
datasets = ["examples/streaming"]

# The role that runs Terraform. Paste this and permissions_boundaries from the output variables of terraform/bootstrap.
operators = {
  deploy = ["<arn-of-your-plan-role>", "<arn-of-your-apply-role>"]
}

# Which IAM users may assume which persona's role, with MFA; or leave people out and set identity_center. A persona that is
# left out has no role.
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

# Period in which a key's signatures are valid. valid_from: today, before the first receipt.
signing_key = "a"
signing_keys = {
  a = { valid_from = "<today>T00:00:00Z" }
}
