"""The large-object hasher: the recorder's code in a process without a time limit.

    python -m hasher

It reads the recorder's environment and ``QUEUE_URL``, makes the receipts that the messages of that queue ask
for, and ends when there is none left. Exit status 0; 1, with a traceback, if the queue cannot be used.
"""

from __future__ import annotations

import os

import boto3
from botocore.config import Config

from custody.recorder.drain import WAIT_SECONDS, drain
from recorder.handler import logger, metrics, recorder


def process(body: str) -> None:
    """Record what one message tells of; its metrics are written whatever the end."""
    try:
        recorder.process(body)
    finally:
        metrics.flush_metrics()


def main() -> None:
    """Work until the queue is empty."""
    sqs = boto3.client(
        "sqs",
        config=Config(
            connect_timeout=5,
            read_timeout=WAIT_SECONDS + 10,
            retries={"mode": "standard", "total_max_attempts": 4},
        ),
    )
    drain(sqs, os.environ["QUEUE_URL"], process, logger)


if __name__ == "__main__":
    main()
