# The maximum permissions of a role, whatever its own policies say. A boundary grants nothing: it limits. It allows only
# resources with the kit's names, and its denies also override resource-based policies.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  partition = data.aws_partition.current.partition
  iam       = "arn:${local.partition}:iam::${var.account_id}"
  arns      = { for purpose in ["ci", "orchestrator", "people", "service"] : purpose => "${local.iam}:policy/${var.prefix}-${purpose}-boundary" }

  # arn:<partition>:<service>:<region>:<account>, by service
  region = var.purpose == "ci" ? "*" : data.aws_region.current.name
  here = {
    for service in [
      "airflow", "athena", "cloudtrail", "cloudwatch", "ec2", "ecr", "ecs", "events", "execute-api", "firehose", "glue", "kms", "lambda", "logs",
      "secretsmanager", "sns", "sqs",
    ] : service => "arn:${local.partition}:${service}:${local.region}:${var.account_id}"
  }

  buckets = "arn:${local.partition}:s3:::${var.prefix}-*-${var.account_id}"
  bucket = {
    for short in ["airflow", "artifacts", "athena-results", "cloudtrail-log", "processed", "provenance", "raw-data", "state"] :
    short => "arn:${local.partition}:s3:::${var.prefix}-${short}-${var.account_id}"
  }
  adopted_arns        = [for one in var.adopted_buckets : "arn:${local.partition}:s3:::${one.bucket}"]
  adopted_object_arns = flatten([for one in var.adopted_buckets : [for prefix in one.prefixes : "arn:${local.partition}:s3:::${one.bucket}/${prefix}*"]])
  trail_arns          = [for one in var.existing_trail[*] : "arn:${local.partition}:s3:::${one.bucket}"]
  trail_object_arns = [
    for one in var.existing_trail[*] :
    "arn:${local.partition}:s3:::${one.bucket}/${join("/", compact([one.prefix, "AWSLogs", one.organization_id, var.account_id]))}/*"
  ]
  foreign_key_arns = distinct(compact(concat([for one in var.adopted_buckets : one.key_arn], var.existing_trail[*].key_arn)))

  copies           = var.evidence_copy == null ? {} : { ("arn:${local.partition}:s3:::${var.evidence_copy.bucket}") = var.evidence_copy.key_arn }
  copy_object_arns = [for arn in keys(local.copies) : "${arn}/*"]

  evidence = [local.bucket["cloudtrail-log"], local.bucket["provenance"]]
  database = replace(var.prefix, "-", "_")
  catalog = [
    "${local.here["glue"]}:catalog",
    "${local.here["glue"]}:database/${local.database}",
    "${local.here["glue"]}:table/${local.database}/*",
  ]

  documents = {
    ci           = data.aws_iam_policy_document.ci
    orchestrator = data.aws_iam_policy_document.orchestrator
    people       = data.aws_iam_policy_document.people
    service      = data.aws_iam_policy_document.service
  }
}

resource "aws_iam_policy" "this" {
  # checkov:skip=CKV_AWS_290:A boundary grants nothing, as below
  # checkov:skip=CKV_AWS_355:A boundary grants nothing; the roles' own policies name each resource that there is
  name        = "${var.prefix}-${var.purpose}-boundary"
  description = "Maximum permissions of ${var.purpose} roles of ${var.prefix}"
  policy      = one(local.documents[var.purpose]).json

  lifecycle {
    precondition {
      condition     = length(replace(one(local.documents[var.purpose]).json, "/\\s/", "")) <= 6144
      error_message = "The boundary must not exceed 6144 characters, not counting white space: this is IAM's limit. Shorten the prefix, or adopt fewer buckets, prefixes and keys."
    }
  }
}
