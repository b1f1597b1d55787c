"""The gate: jobs get object versions whose receipts hold, and no others."""
