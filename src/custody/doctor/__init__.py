"""Which stage of a deployment is broken."""
