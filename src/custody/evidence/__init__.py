"""Evidence: what an object version is, its receipt, and who signed it."""
