"""Checks on a plan that knows every policy: what checkov's own do not ask. See ../README.md."""
