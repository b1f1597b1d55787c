"""The account of the local AWS, its region, and the access key of its operator; and another account."""

from __future__ import annotations

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
PARTITION = "aws"
OPERATOR_NAME = "operator"
OPERATOR_USER_ID = "AIDALOCALOPERATOR0000"
OPERATOR_ACCESS_KEY = "AKIALOCALOPERATOR000"
OPERATOR_SECRET_KEY = "local-operator-secret-access-key-0000000"  # noqa: S105 - valid only in the emulation

OTHER_ACCOUNT_ID = "210987654321"
"""It has IAM, KMS and S3, and no events, functions, metrics or trail."""
OTHER_ACCESS_KEY = "AKIALOCALOTHERACCT00"
OTHER_SECRET_KEY = "local-other-accounts-secret-access-key-0"  # noqa: S105 - valid only in the emulation
