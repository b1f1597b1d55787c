"""Gold tables in Snowflake, each row with its object version; rotation of its account's password."""
