"""Commands: set-up, builds, Terraform, the local AWS, the gates, the demonstration."""
