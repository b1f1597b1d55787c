"""Checks on Terraform's source: what a plan no longer shows. See ../README.md."""
