output "backend" {
  description = "What env/<environment>.s3.tfbackend holds: paste it."
  value       = <<-EOT
    bucket       = "${module.state.name}"
    key          = "${local.state_key}"
    region       = "${var.region}"
    encrypt      = true
    kms_key_id   = "${module.state_key.arn}"
    use_lockfile = true
  EOT
}

output "boundaries" {
  description = "ARNs of the permissions boundaries by whose they are: ci, people, service."
  value       = { for purpose, boundary in module.boundary : purpose => boundary.arn }
}

output "github" {
  description = "What the repository's environments need, by environment's name: the role that their workflows assume."
  value = {
    (var.environment)         = module.apply_role.ready_arn
    "${var.environment}-plan" = module.plan_role.ready_arn
  }
}

output "roles" {
  description = "ARNs of the CI roles by short name: apply, plan."
  value       = { apply = module.apply_role.ready_arn, plan = module.plan_role.ready_arn }
}

output "variables" {
  description = "What env/<environment>.tfvars holds besides: paste it."
  value       = <<-EOT
    permissions_boundaries = {
      people  = "${module.boundary["people"].arn}"
      service = "${module.boundary["service"].arn}"
    }
    operators = {
      deploy = ["${module.apply_role.ready_arn}", "${module.plan_role.ready_arn}"]
    }
  EOT
}
