"""Gold tables in Snowflake: loaded file by file, each row with the object version that it came from."""
