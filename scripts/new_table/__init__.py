"""Write the contract of a new table from a sample of its objects: ``make new-table``."""
