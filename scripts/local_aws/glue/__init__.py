"""Glue jobs that really run: the uploaded script and wheels, in a process of their own, as the job's role."""
