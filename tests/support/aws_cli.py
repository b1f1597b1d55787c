"""The AWS CLI of this environment. Its own script does not start where the path to Python holds a space."""

from __future__ import annotations

import sys

AWS_CLI = [sys.executable, "-m", "awscli"]
