"""Verification: every claim, checked from bytes and public keys alone."""
