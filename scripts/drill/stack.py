"""What a drill works on: a deployment on this machine, or one of an account."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3

from custody.deployment import Deployment, load_deployment
from scripts.demo.pipeline import Pipeline
from scripts.local_aws import LocalAws
from scripts.toolchain.environment import environ_of
from scripts.toolchain.toolchain import BUILD


@dataclass(frozen=True)
class Patience:
    """How many seconds to wait for what is told, by what tells it, and between two looks."""

    rule: float
    alarm: float
    anomaly: float
    look: float
    ask: float
    """Between two questions to the rules."""


ON_THIS_MACHINE = Patience(rule=300, alarm=300, anomaly=300, look=0.1, ask=1)
IN_AN_ACCOUNT = Patience(rule=900, alarm=3600, anomaly=14 * 3600, look=5, ask=600)
"""CloudTrail delivers after 5 minutes on average, which AWS does not guarantee; the recorder tries a message
ten times within 40 minutes; the auditor asks every 12 hours, or more often."""


@dataclass(frozen=True)
class Stack:
    """A deployment, and how to call AWS and ``custody`` about it."""

    deployment: Deployment
    client: Callable[[str], Any]
    custody: Callable[..., subprocess.CompletedProcess[str]]
    patience: Patience
    local: LocalAws | None = None
    """The local AWS, if it is deployed there."""
    analyst: Callable[[str], Any] | None = None
    """A client as an analyst, who does not deploy, if it is deployed there."""

    @property
    def prefix(self) -> str:
        """What the names of its resources begin with."""
        return self.deployment.name


def stack_of(pipeline: Pipeline) -> Stack:
    """The stack of a pipeline on this machine, as its operator."""
    role = pipeline.roles["people-analyst"]
    return Stack(
        pipeline.deployment,
        pipeline.client,
        pipeline.custody,
        ON_THIS_MACHINE,
        pipeline.aws,
        lambda service: pipeline.client(service, role_arn=role, session="mallory"),
    )


def stack_in_account(env: str) -> Stack:
    """The stack that was applied to ``env``, with the caller's credentials.

    Raises ``UsageError`` if there is no ``deployment.json``, ``ToolError`` as ``environ_of``.
    """
    environ = environ_of(env)
    deployment = load_deployment(BUILD / env / "deployment.json")

    def custody(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "custody.cli", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    def client(service: str) -> Any:
        return boto3.client(service, region_name=deployment.region)  # type: ignore[call-overload]

    return Stack(deployment, client, custody, IN_AN_ACCOUNT)
