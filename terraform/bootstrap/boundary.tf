# What roles may do at most. The root's roles carry the first two, by the ARNs that its inputs name; the CI roles carry
# the third, and so does nobody who could change any of them.

module "boundary" {
  source   = "../modules/boundary"
  for_each = toset(["ci", "people", "service"])

  account_id = var.account_id
  prefix     = local.prefix
  purpose    = each.value
}
