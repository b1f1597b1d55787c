# The real provider: it renders policies without calling AWS, so that their size and content are as on AWS.
provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
  skip_requesting_account_id  = true
}

variables {
  account_id = "123456789012"
  prefix     = "custodyoftwentyletts-production"
}

run "services_are_capped" {
  command = plan
  variables { purpose = "service" }

  assert {
    condition     = length(replace(aws_iam_policy.this.policy, "/\\s/", "")) <= 6144
    error_message = "IAM allows 6144 characters; there are ${length(replace(aws_iam_policy.this.policy, "/\\s/", ""))}."
  }

  assert {
    condition     = output.arn == "arn:aws:iam::123456789012:policy/custodyoftwentyletts-production-service-boundary" && aws_iam_policy.this.name == "custodyoftwentyletts-production-service-boundary"
    error_message = "The boundary is named after the deployment and its purpose."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : alltrue([
        for resource in flatten([statement.Resource]) :
        statement.Effect == "Deny" || strcontains(resource, "custodyoftwentyletts-production") || strcontains(resource, "custodyoftwentyletts_production")
        || contains(["arn:aws:glue:eu-central-1:123456789012:catalog", "arn:aws:kms:eu-central-1:123456789012:key/*"], resource)
        || (statement.Sid == "InterfacesInNetworksOfTheAccount" && startswith(resource, "arn:aws:ec2:eu-central-1:123456789012:"))
        || (statement.Sid == "InterfacesOfGlueMarked" && resource == "arn:aws:ec2:eu-central-1:123456789012:network-interface/*")
        || (resource == "arn:aws:execute-api:eu-central-1:123456789012:*" && statement.Action == "execute-api:Invoke")
        || (resource == "arn:aws:events:eu-central-1:123456789012:event-bus/default" && statement.Action == "events:PutEvents")
        || (resource == "*" && statement.Action == "lakeformation:GetDataAccess")
        || (resource == "*" && alltrue([for action in flatten([statement.Action]) : startswith(action, "ec2:Describe") || action == "ecr:GetAuthorizationToken"]))
      ])
    ])
    error_message = "Resources with other names are out of reach, except those without a name of their own."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Condition
      if statement.Sid == "KeysOfTheKit"
    ] == [{ "ForAnyValue:StringLike" = { "kms:ResourceAliases" = "alias/custodyoftwentyletts-production-*" } }]
    error_message = "Keys are those with an alias of the kit."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Condition
      if contains(flatten([statement.Action]), "events:PutEvents")
    ] == [{ "ForAllValues:StringEquals" = { "events:source" = "custody" } }]
    error_message = "Events of the account's bus are those of the kit's own source."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : toset(flatten([statement.Action]))
      if statement.Sid == "InterfacesInNetworksOfTheAccount"
    ] == [toset(["ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeVpcAttribute", "ec2:UnassignPrivateIpAddresses"])]
    error_message = "Of networks, a service handles its own interfaces."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Condition
      if contains(flatten([statement.Action]), "ec2:CreateTags")
    ] == [{ "ForAllValues:StringEquals" = { "aws:TagKeys" = "aws-glue-service-resource" } }]
    error_message = "A service tags only what Glue created for it, with Glue's own tag."
  }

  assert {
    condition = {
      for service in ["athena", "ecr", "ecs", "glue", "iam", "logs", "secretsmanager", "sns", "sqs"] : service => toset(flatten([
        for statement in jsondecode(aws_iam_policy.this.policy).Statement : [
          for action in flatten([statement.Action]) : trimprefix(action, "${service}:") if startswith(action, "${service}:")
        ] if statement.Sid == "OfTheKit"
      ]))
      } == {
      athena = toset(["GetQueryExecution", "GetQueryResults", "GetWorkGroup", "StartQueryExecution", "StopQueryExecution"])
      ecr    = toset(["BatchGetImage", "GetDownloadUrlForLayer"])
      ecs    = toset(["RunTask"])
      glue = toset([
        "GetConnection", "GetDataQualityRuleset", "GetDataQualityRulesetEvaluationRun", "GetDatabase", "GetJobRun", "GetJobRuns",
        "GetPartition", "GetPartitions", "GetTable", "GetTableVersion", "GetTableVersions", "GetTables", "PublishDataQuality",
        "StartJobRun", "UpdateTable",
      ])
      iam            = toset(["PassRole"])
      logs           = toset(["CreateLogStream", "DescribeLogStreams", "PutLogEvents"])
      secretsmanager = toset(["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"])
      sns            = toset(["Publish"])
      sqs            = toset(["ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "ReceiveMessage", "SendMessage"])
    }
    error_message = "Services start and watch the kit's jobs and judge by its rulesets, and change neither; they read and rotate its secrets."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Condition
      if statement.Effect == "Deny" && contains(flatten([statement.Action]), "iam:*") && statement.Resource == "*"
    ] == [{ StringNotEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }]
    error_message = "Of IAM, a service hands roles to tasks, and nothing else."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Action
      if statement.Effect == "Deny" && statement.Sid == "NoServiceDeletesEvidence"
      ])) == toset([
      "s3:BypassGovernanceRetention", "s3:DeleteObject*", "s3:PutObjectLegalHold", "s3:PutObjectRetention", "s3:ReplicateDelete",
      "s3:UpdateObjectEncryption",
    ])
    error_message = "No service deletes evidence or lifts its lock, whatever a bucket's policy says."
  }
}

run "people_are_capped" {
  command = plan
  variables { purpose = "people" }

  assert {
    condition     = length(replace(aws_iam_policy.this.policy, "/\\s/", "")) <= 6144
    error_message = "IAM allows 6144 characters; there are ${length(replace(aws_iam_policy.this.policy, "/\\s/", ""))}."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.this.policy).Statement :
      statement.Effect == "Deny" || !anytrue([
        for action in flatten([statement.Action]) :
        can(regex("\\*|^iam:(Create|Put|Attach|Pass)|kms:(Sign|Put|Create|Schedule)|s3:Delete|StopLogging", action))
      ])
    ])
    error_message = "No person administers, signs, deletes or stops the trail."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Resource
      if statement.Effect == "Allow" && contains(flatten([statement.Action]), "lambda:InvokeFunction")
    ] == ["arn:aws:lambda:eu-central-1:123456789012:function:custodyoftwentyletts-production-gate"]
    error_message = "A person calls the gate, and no other function."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Action
      if statement.Effect == "Deny" && statement.Sid == "NobodyWritesEvidence"
      ])) == toset([
      "s3:BypassGovernanceRetention", "s3:DeleteObject*", "s3:PutObject*", "s3:Replicate*", "s3:UpdateObjectEncryption",
    ])
    error_message = "No person writes or deletes evidence, whatever a bucket's policy says."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.this.policy).Statement :
      statement.Resource => toset(flatten([statement.Action])) if strcontains(try(join(" ", flatten([statement.Resource])), ""), ":cloudtrail:")
      } == {
      "arn:aws:cloudtrail:*:*:trail/*"                                                     = toset(["cloudtrail:GetEventSelectors", "cloudtrail:GetTrail", "cloudtrail:GetTrailStatus"])
      "arn:aws:cloudtrail:eu-central-1:123456789012:trail/custodyoftwentyletts-production" = toset(["cloudtrail:StartLogging"])
    }
    error_message = "People may only see what other trails log."
  }
}

run "the_orchestrator_is_capped" {
  command = plan
  variables { purpose = "orchestrator" }

  assert {
    condition     = length(replace(aws_iam_policy.this.policy, "/\\s/", "")) <= 6144
    error_message = "IAM allows 6144 characters; there are ${length(replace(aws_iam_policy.this.policy, "/\\s/", ""))}."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Sid => toset(flatten([statement.Resource]))
      if statement.Effect == "Allow" && anytrue([for action in flatten([statement.Action]) : can(regex("^(s3:Put|s3:Abort|sqs:Send)", action))])
      } == {
      QueueOfTasks     = toset(["arn:aws:sqs:eu-central-1:*:airflow-celery-*"])
      ResultsOfQueries = toset(["arn:aws:s3:::custodyoftwentyletts-production-athena-results-123456789012/results/*"])
    }
    error_message = "It writes results of queries, and sends to the queue of its own tasks."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : [
        for resource in flatten([statement.Resource]) : resource if can(regex(":(lambda|iam|sns):", resource))
      ] if contains(flatten([statement.Action]), "sts:AssumeRole")
      ] == [[
        "arn:aws:sns:eu-central-1:123456789012:custodyoftwentyletts-production-alerts",
        "arn:aws:lambda:eu-central-1:123456789012:function:custodyoftwentyletts-production-gate",
        "arn:aws:iam::123456789012:role/custodyoftwentyletts-production-loader-execution",
        "arn:aws:iam::123456789012:role/custodyoftwentyletts-production-loader",
    ]]
    error_message = "It invokes the gate, tells the alerts topic, and assumes the loader's role or hands it over: nothing else of its kind."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Condition if statement.Effect == "Deny" && statement.Action == "iam:*"
    ] == [{ StringNotEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }]
    error_message = "It administers no roles, and hands them to Amazon ECS alone."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Action if statement.Effect == "Deny" && statement.Sid == "NobodyAdministers" && statement.Resource == "*"
      ])) == toset([
      "cloudtrail:Delete*", "cloudtrail:Put*", "cloudtrail:StopLogging", "cloudtrail:Update*", "kms:CreateGrant", "kms:PutKeyPolicy",
      "kms:ScheduleKeyDeletion", "kms:Sign", "organizations:*", "s3:Delete*", "s3:PutBucket*", "s3:Put*Configuration",
    ])
    error_message = "It neither administers, nor signs, nor deletes, whatever a policy of a resource says."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Resource if statement.Effect == "Deny" && contains(flatten([statement.Action]), "s3:PutObject*")
    ])) == toset([for short in ["cloudtrail-log", "provenance"] : "arn:aws:s3:::custodyoftwentyletts-production-${short}-123456789012/*"])
    error_message = "It writes no evidence."
  }
}

run "ci_is_capped" {
  command = plan
  variables { purpose = "ci" }

  assert {
    condition     = length(replace(aws_iam_policy.this.policy, "/\\s/", "")) <= 6144
    error_message = "IAM allows 6144 characters; there are ${length(replace(aws_iam_policy.this.policy, "/\\s/", ""))}."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : toset(statement.Condition.StringEquals["iam:PermissionsBoundary"])
      if contains(flatten([statement.Action]), "iam:CreateRole")
      ] == [toset([
        "arn:aws:iam::123456789012:policy/custodyoftwentyletts-production-orchestrator-boundary",
        "arn:aws:iam::123456789012:policy/custodyoftwentyletts-production-people-boundary",
        "arn:aws:iam::123456789012:policy/custodyoftwentyletts-production-service-boundary",
    ])]
    error_message = "A role is made with one of the kit's three boundaries, or not at all."
  }

  assert {
    condition = toset([
      for resource in flatten([for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Resource]) :
      resource if strcontains(resource, ":log-group:")
      ]) == toset([
      for name in concat([for end in ["", "-*", ":*"] : "/aws*/custodyoftwentyletts-production${end}"], ["airflow-custodyoftwentyletts-production-*"]) :
      "arn:aws:logs:*:123456789012:log-group:${name}"
    ])
    error_message = "A log group belongs to the kit if its name is the prefix or continues with a hyphen: custody-dev2 is another deployment."
  }

  assert {
    condition = toset(flatten([
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Resource
      if statement.Sid == "NobodyLoosensCaps" && statement.Effect == "Deny" && statement.Action == "iam:*"
      ])) == toset([
      "arn:aws:iam::123456789012:policy/custodyoftwentyletts-production-*",
      "arn:aws:iam::123456789012:role/custodyoftwentyletts-production-apply",
      "arn:aws:iam::123456789012:role/custodyoftwentyletts-production-plan",
    ])
    error_message = "The boundaries, one's own role and its policies stay as they are."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : toset([
        for one in concat(flatten([statement.Action]), flatten([statement.Resource])) : one if startswith(one, "ec2:") || startswith(one, "arn:aws:ec2:")
      ]) if statement.Sid == "OfTheKit"
      ] == [toset(concat(
        ["ec2:*FlowLogs", "ec2:*RouteTable", "ec2:*SecurityGroup*", "ec2:*Subnet*", "ec2:*Tags", "ec2:*Vpc*"],
        [for type in ["route-table/", "security-group", "subnet/", "vpc/", "vpc-endpoint/", "vpc-flow-log/"] : "arn:aws:ec2:*:123456789012:${type}*"],
    ))]
    error_message = "Of EC2, networks: no machine, no way to the internet, no peer."
  }
}

run "services_read_what_is_adopted_and_nothing_else_there" {
  command = plan
  variables {
    prefix  = "custody-test"
    purpose = "service"
    adopted_buckets = {
      archive = { bucket = "archive", prefixes = ["letters/", "minutes/"], key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1234" }
      open    = { bucket = "open", prefixes = [""] }
    }
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.this.policy).Statement :
      statement.Sid => [toset(flatten([statement.Action])), toset(flatten([statement.Resource])), try(statement.Condition, null)] if startswith(statement.Sid, "Adopted")
      } == {
      AdoptedVersions = [
        toset(["s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"]),
        toset(["arn:aws:s3:::archive", "arn:aws:s3:::archive/letters/*", "arn:aws:s3:::archive/minutes/*", "arn:aws:s3:::open", "arn:aws:s3:::open/*"]),
        null,
      ]
      AdoptedKeys = [
        toset(["kms:Decrypt"]),
        toset(["arn:aws:kms:eu-central-1:123456789012:key/1234"]),
        { StringLike = { "kms:ViaService" = "s3.*" } },
      ]
    }
    error_message = "Of an adopted bucket, versions below its prefixes are read, and decrypted through S3."
  }
}

run "people_read_what_is_adopted" {
  command = plan
  variables {
    prefix          = "custody-test"
    purpose         = "people"
    adopted_buckets = { archive = { bucket = "archive", prefixes = ["letters/"] } }
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Sid => toset(flatten([statement.Action]))
      if strcontains(jsonencode(statement.Resource), ":::archive")
      } == {
      BucketsOfTheKit = toset([
        "s3:GetBucketLocation", "s3:GetBucketLogging", "s3:GetBucketNotification", "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketOwnershipControls", "s3:GetBucketPolicy", "s3:GetBucketPolicyStatus", "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketVersioning", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:ListBucket",
        "s3:ListBucketMultipartUploads", "s3:ListBucketVersions",
      ])
      ObjectsOfTheKit = toset(["s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectVersionTagging"])
    }
    error_message = "People read an adopted bucket and its settings."
  }
}

run "services_read_this_accounts_files_of_a_trail_that_is_there" {
  command = plan
  variables {
    prefix  = "custody-test"
    purpose = "service"
    existing_trail = {
      bucket          = "trails"
      prefix          = "logs"
      organization_id = "o-exampleorgid"
      key_arn         = "arn:aws:kms:us-east-1:210987654321:key/1234"
    }
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.this.policy).Statement :
      statement.Sid => [toset(flatten([statement.Action])), toset(flatten([statement.Resource]))] if contains(["AdoptedKeys", "ExistingTrail"], statement.Sid)
      } == {
      AdoptedKeys = [toset(["kms:Decrypt"]), toset(["arn:aws:kms:us-east-1:210987654321:key/1234"])]
      ExistingTrail = [
        toset(["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"]),
        toset(["arn:aws:s3:::trails", "arn:aws:s3:::trails/logs/AWSLogs/o-exampleorgid/123456789012/*"]),
      ]
    }
    error_message = "Of an organization's trail, this account's files are read."
  }
}

# custody-dev-* would also match the names of a deployment custody-dev-prod.
run "refuses_a_prefix_that_begins_as_anothers" {
  command = plan
  variables {
    prefix  = "custody-dev-prod"
    purpose = "ci"
  }
  expect_failures = [var.prefix]
}

run "refuses_what_is_not_there" {
  command = plan
  variables {
    account_id = "1234"
    prefix     = "custody"
    purpose    = "everything"
  }
  expect_failures = [var.account_id, var.prefix, var.purpose]
}

run "refuses_to_adopt_by_pattern" {
  command = plan
  variables {
    adopted_buckets = { all = { bucket = "*", prefixes = ["*"], key_arn = "arn:aws:kms:eu-central-1:123456789012:key/*" } }
    purpose         = "people"
  }
  expect_failures = [var.adopted_buckets]
}

run "services_write_the_copy_of_evidence_and_nothing_else_there" {
  command = plan
  variables {
    prefix        = "custody-test"
    purpose       = "service"
    evidence_copy = { bucket = "copy", key_arn = "arn:aws:kms:us-west-2:210987654321:key/1234" }
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Sid => toset(flatten([statement.Action]))
      if strcontains(jsonencode(statement.Resource), ":::copy") || strcontains(jsonencode(statement.Resource), "210987654321")
      } == {
      CopyOfEvidence = toset([
        "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "s3:ObjectOwnerOverrideToBucketOwner", "s3:ReplicateObject",
        "s3:ReplicateTags",
      ])
    }
    error_message = "Replicas are stored and encrypted in the copy; nothing is deleted there."
  }
}

run "people_read_the_copy_of_evidence" {
  command = plan
  variables {
    prefix        = "custody-test"
    purpose       = "people"
    evidence_copy = { bucket = "copy", key_arn = "arn:aws:kms:us-west-2:210987654321:key/1234" }
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Sid
      if strcontains(jsonencode(statement.Resource), ":::copy") || strcontains(jsonencode(statement.Resource), "210987654321")
    ] == ["ObjectsOfTheKit", "BucketsOfTheKit", "KeysOfOthers"]
    error_message = "People read the copy, with its key."
  }
}
