"""Evidence: the identity of an object version, its receipt, and its signature."""
