"""Reading Terraform's JSON of a state or a plan."""
