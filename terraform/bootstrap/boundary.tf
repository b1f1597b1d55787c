# The permissions boundaries. The root's roles have all but ci, by the ARNs given in its inputs; the CI roles have that
# one. No role that has one of them can change it.

module "boundary" {
  source   = "../modules/boundary"
  for_each = toset(["ci", "orchestrator", "people", "service"])

  account_id      = var.account_id
  adopted_buckets = var.adopted_buckets
  evidence_copy   = var.evidence_copy
  existing_trail  = var.existing_trail
  prefix          = local.prefix
  purpose         = each.value
}
