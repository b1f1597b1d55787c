"""The programs that the kit runs with: set-up, Terraform, Node.js, variables of an environment."""
