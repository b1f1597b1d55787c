"""The gate: jobs get only object versions with valid receipts."""
