output "resource_control_policy" {
  description = "The resource control policy, as JSON."
  value       = local.policies["RESOURCE_CONTROL_POLICY"]
}

output "service_control_policy" {
  description = "The service control policy, as JSON."
  value       = local.policies["SERVICE_CONTROL_POLICY"]
}
