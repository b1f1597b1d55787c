"""Amazon Athena (engine version 3) on one machine: Trino SQL over Glue tables in S3, executed by DuckDB."""
