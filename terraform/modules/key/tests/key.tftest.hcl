mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id  = "123456789012"
  description = "Encrypts what a test writes"
  name        = "custody-test-data"
}

run "encrypts_and_rotates" {
  variables {
    principals   = ["arn:aws:iam::123456789012:user/operator"]
    via_services = ["s3"]
    users = {
      RecorderReadsObjects = {
        principals = ["arn:aws:iam::123456789012:role/custody-test-recorder"]
        actions    = ["kms:Decrypt"]
      }
    }
  }

  assert {
    condition     = aws_kms_key.this.key_usage == "ENCRYPT_DECRYPT" && aws_kms_key.this.customer_master_key_spec == "SYMMETRIC_DEFAULT"
    error_message = "A key that encrypts is symmetric."
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation
    error_message = "A key that encrypts is rotated."
  }

  assert {
    condition     = [for s in data.aws_iam_policy_document.this.statement : s.sid] == ["AccountAdministers", "PrincipalsUseThroughServices", "RecorderReadsObjects"]
    error_message = "The key policy allows only its administration and its uses."
  }

  assert {
    condition = length(setintersection(
      data.aws_iam_policy_document.this.statement[0].actions,
      ["kms:*", "kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:Sign"],
    )) == 0
    error_message = "An administrator of a key must not be able to use it."
  }

  assert {
    condition     = contains(data.aws_iam_policy_document.this.statement[0].actions, "kms:PutKeyPolicy")
    error_message = "Without kms:PutKeyPolicy for the account, nobody could ever repair the key policy."
  }

  assert {
    condition = toset([
      for c in data.aws_iam_policy_document.this.statement[1].condition : "${c.test} ${c.variable} ${join(" ", c.values)}"
      ]) == toset([
      "ArnLike aws:PrincipalArn arn:aws:iam::123456789012:user/operator",
      "StringEquals kms:CallerAccount 123456789012",
      "StringEquals kms:ViaService s3.eu-central-1.amazonaws.com",
    ])
    error_message = "Of the account, the named principals use the key, through the named services."
  }

  assert {
    condition = [
      for c in data.aws_iam_policy_document.this.statement[2].condition : "${c.test} ${c.variable} ${join(" ", c.values)}"
    ] == ["StringEquals kms:ViaService s3.eu-central-1.amazonaws.com"]
    error_message = "A role uses the key through the named services too."
  }

  assert {
    condition     = aws_kms_alias.this.name == "alias/custody-test-data"
    error_message = "The alias is made from the name."
  }
}

run "lets_lambda_have_grants_of_the_principals" {
  variables {
    principals   = ["arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_admin_*"]
    via_services = ["lambda"]
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : toset([for c in s.condition : c.variable]) if s.sid == "PrincipalsGrantToLambda"
    ] == [toset(["aws:PrincipalArn", "kms:CallerAccount", "kms:GrantIsForAWSResource", "kms:ViaService"])]
    error_message = "Only the principals give Lambda a grant to encrypt an environment."
  }
}

run "lets_airflow_have_grants_of_the_principals_and_be_used_through_it" {
  variables {
    principals   = ["arn:aws:iam::123456789012:role/custody-test-apply"]
    via_services = ["airflow", "s3", "sqs"]
  }

  assert {
    condition = jsonencode([
      for s in data.aws_iam_policy_document.this.statement : { for c in s.condition : "${c.test} ${c.variable}" => sort(c.values) } if s.sid == "PrincipalsGrantToAirflow"
      ]) == jsonencode([{
        "ArnLike aws:PrincipalArn"       = ["arn:aws:iam::123456789012:role/custody-test-apply"]
        "Bool kms:GrantIsForAWSResource" = ["true"]
        "StringEquals kms:CallerAccount" = ["123456789012"]
        "StringEquals kms:ViaService"    = ["airflow.eu-central-1.amazonaws.com"]
    }])
    error_message = "Only the principals give Amazon MWAA a grant, to encrypt what it keeps."
  }
}

run "lets_firehose_have_grants_and_nobody_use_the_key_through_it" {
  variables {
    principals   = ["arn:aws:iam::123456789012:role/custody-test-apply"]
    via_services = ["firehose"]
  }

  assert {
    condition = {
      for s in data.aws_iam_policy_document.this.statement : s.sid => [
        for c in s.condition : "${c.variable} ${join(" ", c.values)}"
      ] if s.sid != "AccountAdministers"
      } == {
      PrincipalsGrantToFirehose = [
        "aws:PrincipalArn arn:aws:iam::123456789012:role/custody-test-apply",
        "kms:GrantIsForAWSResource true",
        "kms:CallerAccount 123456789012",
        "kms:ViaService firehose.eu-central-1.amazonaws.com",
      ]
    }
    error_message = "The creator of a stream lets Firehose encrypt buffered records, and cannot encrypt."
  }
}

run "lets_nobody_of_the_account_in_who_is_not_named" {
  variables {
    via_services = ["lambda", "s3"]
  }

  assert {
    condition     = [for s in data.aws_iam_policy_document.this.statement : s.sid] == ["AccountAdministers"]
    error_message = "Without users and principals nobody can use the key."
  }
}

run "signs_and_is_used_by_its_users_alone" {
  variables {
    purpose = "sign"
    users = {
      RecorderSigns = {
        principals = ["arn:aws:iam::123456789012:role/custody-test-recorder"]
        actions    = ["kms:Sign"]
      }
    }
  }

  assert {
    condition     = aws_kms_key.this.key_usage == "SIGN_VERIFY" && aws_kms_key.this.customer_master_key_spec == "ECC_NIST_P256"
    error_message = "A key that signs is ECC P-256."
  }

  assert {
    condition     = !aws_kms_key.this.enable_key_rotation
    error_message = "KMS does not rotate asymmetric keys."
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : s.sid if contains(s.actions, "kms:Sign")
    ] == ["RecorderSigns"]
    error_message = "Only the user signs."
  }
}

# A run takes seconds: each of the following tests as many refusals as possible at once, one wrong value per variable.

run "refuses_what_is_not_there" {
  command = plan
  variables {
    account_id           = "<your-account-id>"
    deletion_window_days = 6
    description          = ""
    name                 = "aws-data"
    users                = { AccountDecrypts = { principals = ["arn:aws:iam::123456789012:root"], actions = ["kms:Decrypt"] } }
    via_services         = ["ec2"]
  }
  expect_failures = [
    var.account_id, var.deletion_window_days, var.description, var.name, var.users, var.via_services,
  ]
}

run "refuses_a_service_without_a_condition" {
  command = plan
  variables {
    users = { BucketsNotify = { principals = ["s3.amazonaws.com"], actions = ["kms:GenerateDataKey"] } }
  }
  expect_failures = [var.users]
}

run "refuses_a_statement_of_roles_and_services" {
  command = plan
  variables {
    principals = ["arn:aws:iam::123456789012:role/*"]
    users = {
      BucketsNotify = {
        principals = ["s3.amazonaws.com", "arn:aws:iam::123456789012:role/custody-test-recorder"]
        actions    = ["kms:GenerateDataKey"]
        conditions = [{ test = "StringEquals", variable = "aws:SourceAccount", values = ["123456789012"] }]
      }
    }
    via_services = ["s3"]
  }
  expect_failures = [var.principals, var.users]
}

run "refuses_principals_without_services" {
  command = plan
  variables {
    principals = ["arn:aws:iam::123456789012:user/operator"]
  }
  expect_failures = [var.principals]
}

run "refuses_administration_as_use_and_services_for_a_key_that_signs" {
  command = plan
  variables {
    purpose = "sign"
    users = {
      RecorderGrants = {
        principals = ["arn:aws:iam::123456789012:role/custody-test-recorder"]
        actions    = ["kms:CreateGrant"]
      }
    }
    via_services = ["s3"]
  }
  expect_failures = [var.users, var.via_services]
}

run "refuses_signing_with_a_key_that_encrypts" {
  command = plan
  variables {
    users = {
      RecorderSigns = {
        principals = ["arn:aws:iam::123456789012:role/custody-test-recorder"]
        actions    = ["kms:Sign"]
      }
    }
  }
  expect_failures = [var.users]
}

run "refuses_a_statement_id_without_intent" {
  command = plan
  variables {
    users = {
      "1" = { principals = ["arn:aws:iam::123456789012:role/custody-test-recorder"], actions = ["kms:Decrypt"] }
    }
  }
  expect_failures = [var.users]
}

run "refuses_an_unknown_purpose" {
  command = plan
  variables {
    purpose = "hmac"
  }
  expect_failures = [var.purpose]
}

run "lets_guests_in_who_need_not_exist_yet" {
  variables {
    via_services = ["s3"]
    guests = {
      ReplicationEncrypts = {
        actions   = ["kms:Encrypt"]
        role_arns = ["arn:aws:iam::210987654321:role/custody-test-evidence-copy"]
      }
    }
  }

  assert {
    condition = [
      for s in data.aws_iam_policy_document.this.statement : {
        actions    = tolist(s.actions)
        identities = flatten([for p in s.principals : tolist(p.identifiers)])
        conditions = { for c in s.condition : c.variable => tolist(c.values) }
      } if s.sid == "ReplicationEncrypts"
      ] == [{
        actions    = tolist(["kms:Encrypt"])
        identities = ["arn:aws:iam::210987654321:root"]
        conditions = {
          "aws:PrincipalArn" = tolist(["arn:aws:iam::210987654321:role/custody-test-evidence-copy"])
          "kms:ViaService"   = tolist(["s3.eu-central-1.amazonaws.com"])
        }
    }]
    error_message = "A guest is a role by a condition, and uses the key through the services alone."
  }
}

run "refuses_guests_at_large" {
  command = plan

  variables {
    guests = {
      everybody = { actions = ["kms:CreateGrant"], role_arns = ["arn:aws:iam::210987654321:role/*"] }
    }
  }

  expect_failures = [var.guests]
}
