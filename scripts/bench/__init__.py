"""Benchmarks of what must stay fast."""
