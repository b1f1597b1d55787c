# Who may come in, and what every role may do at most.

module "boundary" {
  source   = "./modules/boundary"
  for_each = var.permissions_boundaries == null ? toset(["people", "service"]) : toset([])

  account_id = var.account_id
  prefix     = local.prefix
  purpose    = each.key
}

locals {
  # Those that bootstrap made, where it did: whoever applies this must not be able to change what caps it.
  boundary_arns = {
    for purpose in ["people", "service"] : purpose =>
    var.permissions_boundaries == null ? module.boundary[purpose].arn : var.permissions_boundaries[purpose]
  }
}
