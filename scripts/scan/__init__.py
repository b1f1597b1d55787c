"""The scan of what may be deployed: Terraform's source and plan, every policy, the workflows, and secrets."""
