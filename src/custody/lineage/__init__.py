"""What a table's version was made from, and what was made from an object: read from the lineage documents."""
