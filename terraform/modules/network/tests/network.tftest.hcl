mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  account_id  = "123456789012"
  azs         = ["eu-central-1a", "eu-central-1b"]
  bucket_arns = ["arn:aws:s3:::custody-test-*-123456789012"]
  cidr        = "10.20.0.0/16"
  name        = "custody-test"
  services    = ["kms", "logs", "sts"]

  flow_log = {
    key_arn        = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-4cde-8123-1234567890ab"
    retention_days = 365
    role_arn       = "arn:aws:iam::123456789012:role/custody-test-flow-logs"
  }
}

run "has_private_subnets_and_no_way_out" {
  assert {
    condition     = { for az, subnet in aws_subnet.this : az => subnet.cidr_block } == { "eu-central-1a" = "10.20.0.0/20", "eu-central-1b" = "10.20.16.0/20" }
    error_message = "Each zone has its part of the addresses, by its place."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.this : !subnet.map_public_ip_on_launch])
    error_message = "Nothing in a subnet gets a public address."
  }

  assert {
    condition     = toset([for association in aws_route_table_association.this : association.route_table_id]) == toset([aws_route_table.this.id])
    error_message = "All subnets have the one route table, which has no route of ours."
  }

  assert {
    condition     = aws_vpc.this.enable_dns_support && aws_vpc.this.enable_dns_hostnames
    error_message = "The services' names lead to the endpoints."
  }
}

run "closes_the_default_group_and_opens_no_more_than_the_ways_to_aws" {
  assert {
    condition     = aws_default_security_group.this.vpc_id == aws_vpc.this.id && length(aws_default_security_group.this.ingress) == 0 && length(aws_default_security_group.this.egress) == 0
    error_message = "The VPC's own group is taken over, without a rule."
  }

  assert {
    condition = alltrue([
      for rule in [aws_vpc_security_group_ingress_rule.workers, aws_vpc_security_group_egress_rule.workers] :
      rule.security_group_id == aws_security_group.workloads.id && rule.referenced_security_group_id == aws_security_group.workloads.id
    ])
    error_message = "The workers of a job reach each other, and nobody else reaches them."
  }

  assert {
    condition = alltrue([
      aws_vpc_security_group_egress_rule.endpoints.security_group_id == aws_security_group.workloads.id,
      aws_vpc_security_group_egress_rule.endpoints.referenced_security_group_id == aws_security_group.endpoints.id,
      aws_vpc_security_group_egress_rule.s3.security_group_id == aws_security_group.workloads.id,
      aws_vpc_security_group_egress_rule.s3.prefix_list_id == aws_vpc_endpoint.s3.prefix_list_id,
      aws_vpc_security_group_ingress_rule.endpoints.security_group_id == aws_security_group.endpoints.id,
      aws_vpc_security_group_ingress_rule.endpoints.referenced_security_group_id == aws_security_group.workloads.id,
    ])
    error_message = "Workloads reach the endpoints and S3; endpoints are reached by workloads."
  }

  assert {
    condition = alltrue([
      for rule in [aws_vpc_security_group_egress_rule.endpoints, aws_vpc_security_group_egress_rule.s3, aws_vpc_security_group_ingress_rule.endpoints] :
      rule.ip_protocol == "tcp" && rule.from_port == 443 && rule.to_port == 443 && rule.cidr_ipv4 == null
    ])
    error_message = "AWS is reached over TLS, and no address is."
  }
}

run "lets_our_principals_through_to_our_resources" {
  assert {
    condition = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3.service_name == "com.amazonaws.eu-central-1.s3" && aws_vpc_endpoint.s3.route_table_ids == toset([
      aws_route_table.this.id
    ])
    error_message = "S3 is reached through its gateway."
  }

  assert {
    condition = [for s in data.aws_iam_policy_document.s3.statement : {
      resources  = toset(s.resources)
      conditions = { for c in s.condition : "${c.test} ${c.variable}" => tolist(c.values) }
      }] == [{
      resources = toset(["arn:aws:s3:::custody-test-*-123456789012", "arn:aws:s3:::custody-test-*-123456789012/*"])
      conditions = {
        "StringEquals aws:PrincipalAccount" = tolist(["123456789012"])
        "StringEquals aws:ResourceAccount"  = tolist(["123456789012"])
      }
    }]
    error_message = "Our principals reach our buckets, in our account, and nothing else."
  }

  assert {
    condition     = !anytrue([for action in data.aws_iam_policy_document.s3.statement[0].actions : can(regex("\\*|Delete|Bypass|Policy", action))])
    error_message = "Nothing is deleted or administered from here."
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["kms", "logs", "sts"])
    error_message = "There is an endpoint for each service asked for."
  }

  assert {
    condition = alltrue([
      for service, endpoint in aws_vpc_endpoint.interface :
      endpoint.vpc_endpoint_type == "Interface" && endpoint.private_dns_enabled && endpoint.service_name == "com.amazonaws.eu-central-1.${service}"
      && endpoint.security_group_ids == toset([aws_security_group.endpoints.id]) && length(endpoint.subnet_ids) == 2
    ])
    error_message = "An endpoint answers by the service's own name, in every subnet, in the endpoints' group."
  }

  assert {
    condition = { for service, document in data.aws_iam_policy_document.interface : service => tolist(document.statement[0].resources) } == {
      kms  = tolist(["arn:aws:kms:eu-central-1:123456789012:*"])
      logs = tolist(["arn:aws:logs:eu-central-1:123456789012:*"])
      sts  = tolist(["*"])
    }
    error_message = "An endpoint leads to resources of the account, where the service has any."
  }

  assert {
    condition = alltrue([
      for document in data.aws_iam_policy_document.interface :
      [for c in document.statement[0].condition : "${c.test} ${c.variable} ${join(" ", c.values)}"] == ["StringEquals aws:PrincipalAccount 123456789012"]
      && !anytrue([for action in document.statement[0].actions : strcontains(action, "*")])
    ])
    error_message = "Principals of the account go through, with the actions that the kit's code needs."
  }
}

run "reads_from_buckets_of_aws_where_told_to" {
  command = plan
  variables { service_bucket_arns = ["arn:aws:s3:::aws-glue-studio-transforms-1-prod-eu-central-1"] }

  assert {
    condition = [for s in data.aws_iam_policy_document.s3.statement : {
      actions   = tolist(s.actions)
      resources = tolist(s.resources)
      } if s.sid == "OurPrincipalsReadFromBucketsOfAws"] == [{
      actions   = tolist(["s3:GetObject"])
      resources = tolist(["arn:aws:s3:::aws-glue-studio-transforms-1-prod-eu-central-1/*"])
    }]
    error_message = "They are read, and nothing is put there."
  }
}

run "reads_versions_of_further_buckets_where_told_to" {
  command = plan
  variables { read_bucket_arns = ["arn:aws:s3:::archive"] }

  assert {
    condition = [for s in data.aws_iam_policy_document.s3.statement : {
      actions   = tolist(s.actions)
      resources = tolist(s.resources)
      accounts  = { for condition in s.condition : condition.variable => condition.values }
      } if s.sid == "OurPrincipalsReadVersions"] == [{
      actions   = tolist(["s3:GetObjectVersion", "s3:ListBucket", "s3:ListBucketVersions"])
      resources = tolist(["arn:aws:s3:::archive", "arn:aws:s3:::archive/*"])
      accounts  = { "aws:PrincipalAccount" = tolist(["123456789012"]), "aws:ResourceAccount" = tolist(["123456789012"]) }
    }]
    error_message = "They are read, as long as they are the account's."
  }
}

run "reads_this_accounts_files_of_a_trail_where_told_to" {
  command = plan
  variables { trail_folder_arn = "arn:aws:s3:::trails/logs/AWSLogs/o-exampleorgid/123456789012/" }

  assert {
    condition = [for s in data.aws_iam_policy_document.s3.statement : {
      actions   = tolist(s.actions)
      resources = tolist(s.resources)
      accounts  = { for condition in s.condition : condition.variable => condition.values }
      } if s.sid == "OurPrincipalsReadTrail"] == [{
      actions   = tolist(["s3:GetObject", "s3:ListBucket"])
      resources = tolist(["arn:aws:s3:::trails", "arn:aws:s3:::trails/logs/AWSLogs/o-exampleorgid/123456789012/*"])
      accounts  = { "aws:PrincipalAccount" = tolist(["123456789012"]) }
    }]
    error_message = "They are read by our principals, whoever has the bucket."
  }
}

run "writes_down_who_called_whom" {
  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_flow_log.this.log_destination == aws_cloudwatch_log_group.flow.arn && aws_flow_log.this.iam_role_arn == var.flow_log.role_arn
    error_message = "All traffic is logged, by the role."
  }

  assert {
    condition     = aws_cloudwatch_log_group.flow.name == "/aws/vpc/custody-test" && aws_cloudwatch_log_group.flow.kms_key_id == var.flow_log.key_arn && aws_cloudwatch_log_group.flow.retention_in_days == 365
    error_message = "The log is under our key and kept."
  }
}

# A run takes seconds: each of the following tests as many refusals as possible at once, one wrong value per variable.

run "refuses_what_is_not_there" {
  command = plan
  variables {
    account_id          = "x"
    azs                 = ["eu-central-1", "eu-central-1b"]
    bucket_arns         = ["arn:aws:s3:::*"]
    cidr                = "10.20.1.0/16"
    flow_log            = { key_arn = "alias/ours", retention_days = 365, role_arn = "arn:aws:iam::123456789012:role/custody-test-flow-logs" }
    name                = "The Network"
    read_bucket_arns    = ["arn:aws:s3:::*"]
    service_bucket_arns = ["arn:aws:s3:::somebody-elses"]
    services            = ["ec2", "kms", "logs"]
    trail_folder_arn    = "arn:aws:s3:::trails/*"
  }
  expect_failures = [
    var.account_id, var.azs, var.bucket_arns, var.cidr, var.flow_log, var.name, var.read_bucket_arns, var.service_bucket_arns, var.services,
    var.trail_folder_arn,
  ]
}

run "refuses_one_zone_no_bucket_public_addresses_and_no_log" {
  command = plan
  variables {
    azs         = ["eu-central-1a"]
    bucket_arns = []
    cidr        = "8.8.0.0/16"
    flow_log    = { key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1", retention_days = 30, role_arn = "arn:aws:iam::123456789012:role/custody-test-flow-logs" }
    services    = ["kms"]
  }
  expect_failures = [var.azs, var.bucket_arns, var.cidr, var.flow_log, var.services]
}

run "refuses_a_zone_twice_too_few_addresses_and_a_role_by_name" {
  command = plan
  variables {
    azs      = ["eu-central-1a", "eu-central-1a"]
    cidr     = "10.20.0.0/24"
    flow_log = { key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1", retention_days = 365, role_arn = "flow-logs" }
  }
  expect_failures = [var.azs, var.cidr, var.flow_log]
}
