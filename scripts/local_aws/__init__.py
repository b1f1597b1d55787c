"""AWS on one machine, as far as this kit needs it: moto, mended, and what moto lacks.

Functions really run, queues really feed them, CloudTrail really writes signed logs, Athena really executes.
"""

from scripts.local_aws.errors import LocalAwsError
from scripts.local_aws.launch import LocalAws

__all__ = ["LocalAws", "LocalAwsError"]
