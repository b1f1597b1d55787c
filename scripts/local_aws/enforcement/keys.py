"""What calls need of KMS besides: services call it in the caller's name for what is encrypted with a key.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html
"""

from __future__ import annotations

from collections.abc import Iterator

from scripts.local_aws.account import REGION
from scripts.local_aws.enforcement import policies
from scripts.local_aws.enforcement.actions import Need

_USES = {
    "secretsmanager:GetSecretValue": ("Decrypt",),
    "secretsmanager:PutSecretValue": ("Decrypt", "GenerateDataKey"),
    "secretsmanager:UpdateSecret": ("Decrypt", "GenerateDataKey"),
    "sns:Publish": ("Decrypt", "GenerateDataKey"),
    "sqs:ReceiveMessage": ("Decrypt",),
    "sqs:SendMessage": ("Decrypt", "GenerateDataKey"),
}


def with_keys(needs: list[Need]) -> Iterator[Need]:
    """Yield what a call needs, and then the uses of the keys that its resources are encrypted with."""
    yield from needs
    for need in needs:
        if need.action in _USES and (key := policies.key_of(need.resource)):
            service = need.action.partition(":")[0]
            context = {"aws:ViaAWSService": "true", "kms:ViaService": f"{service}.{REGION}.amazonaws.com"}
            if service == "secretsmanager":
                context["kms:EncryptionContext:SecretARN"] = need.resource
            yield from (Need(f"kms:{action}", key, context) for action in _USES[need.action])
