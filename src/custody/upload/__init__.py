"""Upload files into the pipeline, so that the stored bytes are those that were hashed."""
