"""AWS CloudTrail's files."""
