"""From raw objects to silver and gold tables: what the Glue jobs do, importable without Glue.

It is part of the package, and so of the wheel that Glue runs: one digest identifies the code that made a
table, and the gate and the command line read manifests and lineage with the code that wrote them. Only
``frames``, ``gold``, ``silver_run`` and ``gold_run`` import Spark.
"""
