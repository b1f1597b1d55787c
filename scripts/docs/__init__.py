"""Documentation that is written from code and data."""
