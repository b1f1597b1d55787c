"""From raw objects to silver and gold tables: what the Glue jobs do, importable without Glue.

It is part of the package, and so of the wheel that Glue gets: one digest names the code that made a table,
and the gate and the command line read manifests and lineage with the code that wrote them. Spark is
imported by ``frames``, ``gold``, ``silver_run`` and ``gold_run`` alone; the rest needs none.
"""
