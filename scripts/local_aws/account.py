"""The one account of the local AWS, its region, and the keys of the person who works in it."""

from __future__ import annotations

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
PARTITION = "aws"
OPERATOR_NAME = "operator"
OPERATOR_USER_ID = "AIDALOCALOPERATOR0000"
OPERATOR_ACCESS_KEY = "AKIALOCALOPERATOR000"
OPERATOR_SECRET_KEY = "local-operator-secret-access-key-0000000"  # noqa: S105 - opens nothing but the emulation
