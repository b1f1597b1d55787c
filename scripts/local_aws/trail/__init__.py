"""CloudTrail functions that moto lacks: records of calls, log files, and signed digests."""
