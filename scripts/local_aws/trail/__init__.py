"""What CloudTrail does and moto does not: records of calls, log files, and signed digests of them."""
