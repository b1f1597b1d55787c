"""The scan of everything that may be deployed: Terraform source and plan, policies, workflows, secrets."""
