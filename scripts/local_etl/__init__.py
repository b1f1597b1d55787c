"""The ETL on one machine."""
