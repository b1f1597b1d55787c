"""Firehose streams that buffer, and deliver into S3."""
