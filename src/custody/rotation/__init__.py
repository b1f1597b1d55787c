"""Rotation of a secret."""
