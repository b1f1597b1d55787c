"""Documentation generated from code and data."""
