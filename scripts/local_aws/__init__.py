"""AWS on one machine, as far as this kit needs it: moto with patches, and what moto lacks.

Functions run, queues invoke them, CloudTrail writes signed logs, and Athena executes statements.
"""

from scripts.local_aws.errors import LocalAwsError
from scripts.local_aws.launch import LocalAws

__all__ = ["LocalAws", "LocalAwsError"]
