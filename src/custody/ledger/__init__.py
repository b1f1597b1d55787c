"""The ledger as Amazon Athena answers it, and an object's story."""
