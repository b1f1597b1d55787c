"""The demonstration, and the pipeline and data that it and the end-to-end tests use."""
