"""The demonstration with all policies enforced, and then every call that they must refuse."""
