"""Files into the pipeline, so that what was hashed is what lands."""
