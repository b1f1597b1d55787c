mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id        = "210987654321"
  name              = "custody-prod-copy"
  readers           = ["arn:aws:iam::123456789012:role/custody-prod-people-auditor", "arn:aws:iam::210987654321:role/auditor"]
  retention         = { days = 365, mode = "COMPLIANCE" }
  source_account_id = "123456789012"
  source_prefix     = "custody-prod"
}

run "takes_replicas_and_lets_readers_read" {
  assert {
    condition = jsonencode({
      for s in data.aws_iam_policy_document.copy.statement : s.sid => {
        actions    = sort(s.actions)
        conditions = { for c in s.condition : c.variable => { test = c.test, values = sort(c.values) } }
        effect     = coalesce(s.effect, "Allow")
        identities = flatten([for p in s.principals : sort(p.identifiers)])
        resources  = sort(s.resources)
      }
      }) == jsonencode({
      ReplicationStores = {
        actions    = ["s3:ObjectOwnerOverrideToBucketOwner", "s3:ReplicateObject", "s3:ReplicateTags"]
        conditions = { "aws:PrincipalArn" = { test = "ArnEquals", values = ["arn:aws:iam::123456789012:role/custody-prod-evidence-copy"] } }
        effect     = "Allow"
        identities = ["arn:aws:iam::123456789012:root"]
        resources  = ["arn:aws:s3:::custody-prod-copy-210987654321/*"]
      }
      ReadersRead = {
        actions    = ["s3:GetObject", "s3:GetObjectVersion"]
        conditions = { "aws:PrincipalArn" = { test = "ArnLike", values = sort(var.readers) } }
        effect     = "Allow"
        identities = ["arn:aws:iam::123456789012:root", "arn:aws:iam::210987654321:root"]
        resources  = ["arn:aws:s3:::custody-prod-copy-210987654321/*"]
      }
      ReadersList = {
        actions    = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"]
        conditions = { "aws:PrincipalArn" = { test = "ArnLike", values = sort(var.readers) } }
        effect     = "Allow"
        identities = ["arn:aws:iam::123456789012:root", "arn:aws:iam::210987654321:root"]
        resources  = ["arn:aws:s3:::custody-prod-copy-210987654321"]
      }
      NobodyUploads = {
        actions    = ["s3:PutObject"]
        conditions = {}
        effect     = "Deny"
        identities = ["*"]
        resources  = ["arn:aws:s3:::custody-prod-copy-210987654321/*"]
      }
      NobodyElseReplicates = {
        actions    = ["s3:ReplicateObject"]
        conditions = { "aws:PrincipalArn" = { test = "ArnNotEquals", values = ["arn:aws:iam::123456789012:role/custody-prod-evidence-copy"] } }
        effect     = "Deny"
        identities = ["*"]
        resources  = ["arn:aws:s3:::custody-prod-copy-210987654321/*"]
      }
    })
    error_message = "The deployment's replication alone writes, the readers read, nobody uploads."
  }

  assert {
    condition     = output.evidence_copy.bucket == "custody-prod-copy-210987654321" && startswith(output.evidence_copy.key_arn, "arn:aws:kms:")
    error_message = "The output is the deployment's input."
  }
}

run "refuses_the_deployments_own_account" {
  command = plan

  variables {
    account_id = "123456789012"
  }

  expect_failures = [var.account_id]
}

run "refuses_readers_at_large_and_a_lock_that_ends_at_once" {
  command = plan

  variables {
    readers   = ["arn:aws:iam::210987654321:root"]
    retention = { days = 0, mode = "COMPLIANCE" }
  }

  expect_failures = [var.readers, var.retention]
}
