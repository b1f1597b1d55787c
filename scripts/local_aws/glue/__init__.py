"""Glue jobs that really run: the uploaded script and wheels, in their own process, with the job's role."""
