# What a role may do at most, whatever its own policies come to say. A boundary gives nothing: it caps. It speaks of
# the kit's names alone, and what it denies no resource's policy can give either.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  iam       = "arn:${local.partition}:iam::${var.account_id}"
  arns      = { for purpose in ["ci", "people", "service"] : purpose => "${local.iam}:policy/${var.prefix}-${purpose}-boundary" }

  # arn:<partition>:<service>:<region>:<account>, by service
  region = var.purpose == "ci" ? "*" : data.aws_region.current.name
  here = {
    for service in [
      "athena", "cloudtrail", "cloudwatch", "ec2", "events", "execute-api", "firehose", "glue", "kms", "lambda", "logs",
      "secretsmanager", "sns", "sqs",
    ] : service => "arn:${local.partition}:${service}:${local.region}:${var.account_id}"
  }

  buckets = "arn:${local.partition}:s3:::${var.prefix}-*-${var.account_id}"
  bucket = {
    for short in ["artifacts", "athena-results", "cloudtrail-log", "processed", "provenance", "raw-data", "state", "state-logs"] :
    short => "arn:${local.partition}:s3:::${var.prefix}-${short}-${var.account_id}"
  }
  evidence = [local.bucket["cloudtrail-log"], local.bucket["provenance"]]
  database = replace(var.prefix, "-", "_")
  catalog = [
    "${local.here["glue"]}:catalog",
    "${local.here["glue"]}:database/${local.database}",
    "${local.here["glue"]}:table/${local.database}/*",
  ]

  documents = {
    ci      = data.aws_iam_policy_document.ci
    people  = data.aws_iam_policy_document.people
    service = data.aws_iam_policy_document.service
  }
}

resource "aws_iam_policy" "this" {
  # checkov:skip=CKV_AWS_355:A boundary gives nothing. What CI's lets a role look at has no room to be named one by one; the roles' own policies do that
  name        = "${var.prefix}-${var.purpose}-boundary"
  description = "What ${var.purpose} roles of ${var.prefix} may do at most"
  policy      = one(local.documents[var.purpose]).json

  lifecycle {
    precondition {
      condition     = length(replace(one(local.documents[var.purpose]).json, "/\\s/", "")) <= 6144
      error_message = "The boundary must not exceed 6144 characters, white space not counted: IAM takes no more. Shorten the prefix."
    }
  }
}
