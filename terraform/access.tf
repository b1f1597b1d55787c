# Access: the permissions boundary of every role, the personas, and which principals access objects in which bucket.

module "boundary" {
  source   = "./modules/boundary"
  for_each = toset(var.permissions_boundaries == null ? local.boundary_purposes : [])

  account_id      = var.account_id
  adopted_buckets = var.adopted_buckets
  evidence_copy   = var.evidence_copy
  existing_trail  = var.existing_trail
  prefix          = local.prefix
  purpose         = each.key
}

locals {
  boundary_purposes = concat(var.orchestrator == null ? [] : ["orchestrator"], ["people", "service"])

  # The boundaries made by bootstrap, if there are any: a role that applies this must not be able to change its own boundary.
  boundary_arns = {
    for purpose in local.boundary_purposes : purpose =>
    var.permissions_boundaries == null ? module.boundary[purpose].arn : var.permissions_boundaries[purpose]
  }

  personas = toset(["analyst", "auditor", "break-glass", "data-engineer", "producer", "security-admin"])

  # Each persona's ARN, for the policies of buckets, keys and queues. With Identity Center it is an ARN pattern: AWS creates
  # the role and adds a random suffix to its name.
  all_persona_arns = {
    for persona in local.personas : persona => (
      var.identity_center == null
      ? local.role_arns["people-${persona}"]
      : "arn:${local.partition}:iam::${var.account_id}:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_${local.prefix}-${persona}_*"
    )
  }
  persona_arns = {
    for persona, arn in local.all_persona_arns : persona => arn
    if contains(keys(try(var.identity_center.personas, var.people)), persona)
  }
  # Watched even if the role does not exist, in case somebody creates one by hand.
  emergency_role_arn = local.all_persona_arns["break-glass"]

  # Whoever touches objects of a bucket is here; a bucket refuses everybody else. Roles count where they are.
  all_bucket_users = {
    access-logs    = { roles = [], people = ["break-glass"], operators = ["data"] }
    airflow        = { roles = ["orchestrator"], people = [], operators = ["deploy"] }
    analytics      = { roles = ["etl", "gate", "hasher", "lake-formation", "loader", "orchestrator", "recorder", "snowflake", "verifier"], people = ["analyst", "auditor", "break-glass", "data-engineer"], operators = ["data"] }
    artifacts      = { roles = ["auditor", "etl", "evidence-copy", "loader", "verifier"], people = ["analyst", "auditor", "data-engineer", "producer"], operators = ["deploy"] }
    athena-results = { roles = ["auditor", "orchestrator"], people = ["analyst", "auditor", "data-engineer"], operators = ["data"] }
    cloudtrail-log = { roles = ["auditor", "evidence-copy", "orchestrator", "sealer"], people = ["auditor", "break-glass"], operators = ["data"] }
    processed      = { roles = ["etl", "gate", "hasher", "loader", "orchestrator", "recorder", "verifier"], people = ["auditor", "break-glass", "data-engineer"], operators = ["data"] }
    provenance     = { roles = ["auditor", "evidence-copy", "gate", "hasher", "loader", "orchestrator", "recorder", "sealer", "verifier"], people = ["auditor", "break-glass", "producer"], operators = ["data", "deploy"] }
    raw-data       = { roles = ["etl", "hasher", "ingest", "loader", "orchestrator", "recorder", "verifier"], people = ["auditor", "break-glass", "producer"], operators = ["data"] }
  }

  bucket_users = { for short, users in local.all_bucket_users : short => users if contains(keys(local.own_bucket_names), short) }

  # People and operators only: key policies name each role separately, with what it does.
  bucket_people = {
    for short, users in local.bucket_users : short => setunion(
      [for persona in users.people : local.persona_arns[persona] if contains(keys(local.persona_arns), persona)],
      [for operator in users.operators : var.operators[operator]]...
    )
  }
  bucket_principals = {
    for short, users in local.bucket_users :
    short => setunion(local.bucket_people[short], [for role in users.roles : local.role_arns[role] if contains(local.service_roles, role)])
  }
}
