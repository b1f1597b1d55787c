"""From a notification of Amazon S3 to a receipt."""
