"""The ledger, queried with Amazon Athena, and an object's story."""
