output "backend" {
  description = "Content of env/<environment>.s3.tfbackend: paste it there."
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
  description = "ARNs of the permissions boundaries by purpose: ci, orchestrator, people, service."
  value       = { for purpose, boundary in module.boundary : purpose => boundary.arn }
}

output "github" {
  description = "Variables of the repository's GitHub environments, by environment: the ARN of the role that its workflows assume."
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
  description = "Variables that env/<environment>.tfvars needs in addition: paste them there."
  value       = <<-EOT
    permissions_boundaries = {
      orchestrator = "${module.boundary["orchestrator"].arn}"
      people       = "${module.boundary["people"].arn}"
      service      = "${module.boundary["service"].arn}"
    }
    operators = {
      deploy = ["${module.apply_role.ready_arn}", "${module.plan_role.ready_arn}"]
    }
  EOT
}
