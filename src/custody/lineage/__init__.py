"""What a table's version was made from, and what was made of an object: read from the lineage documents."""
