"""The owner of an access key, from IAM and STS of the emulation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from moto.iam.models import IAMBackend, iam_backends
from moto.sts.models import sts_backends

from scripts.local_aws.account import (
    ACCOUNT_ID,
    OPERATOR_ACCESS_KEY,
    OPERATOR_NAME,
    OPERATOR_SECRET_KEY,
    OPERATOR_USER_ID,
    OTHER_ACCESS_KEY,
    OTHER_ACCOUNT_ID,
    OTHER_SECRET_KEY,
    PARTITION,
    REGION,
)


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity of a request, with the fields of CloudTrail's ``userIdentity`` element."""

    kind: str
    """``IAMUser``, ``AssumedRole``, ``AWSAccount`` (an anonymous caller) or ``AWSService``."""
    principal_id: str
    """``AIDA…`` or ``AROA…:session``; empty for an anonymous caller and for a service."""
    arn: str
    """Of a service, its name, as ``events.amazonaws.com``."""
    account_id: str
    access_key_id: str
    user_name: str = ""
    """IAM users only."""
    role_arn: str = ""
    """Assumed roles only: the role of the session."""
    issued_at: datetime | None = None
    """Assumed roles only: when the session began."""

    @property
    def is_anonymous(self) -> bool:
        """Whether the request was not signed."""
        return self.kind == "AWSAccount"


ANONYMOUS = Principal("AWSAccount", "", "", "ANONYMOUS_PRINCIPAL", "")


def seed_operator() -> None:
    """Create the operator's IAM user and access key, in both accounts; a second call changes nothing."""
    for account_id, access_key, secret_key in (
        (ACCOUNT_ID, OPERATOR_ACCESS_KEY, OPERATOR_SECRET_KEY),
        (OTHER_ACCOUNT_ID, OTHER_ACCESS_KEY, OTHER_SECRET_KEY),
    ):
        backend = _iam(account_id)
        if access_key in backend.access_keys:
            continue
        backend.create_user(PARTITION, OPERATOR_NAME).id = OPERATOR_USER_ID
        key = backend.create_access_key(OPERATOR_NAME)
        del backend.access_keys[key.access_key_id]
        key.access_key_id, key.secret_access_key = access_key, secret_key
        backend.access_keys[access_key] = key


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an access key was issued with. ``session_token`` is empty for a user's own key."""

    principal: Principal
    secret_access_key: str
    session_token: str = ""


def issued(access_key_id: str) -> Credentials | None:
    """The credentials of an access key; ``None`` for an unknown or inactive key."""
    return _session(access_key_id) if access_key_id.startswith("ASIA") else _user(access_key_id)


def operator() -> Principal:
    """The operator of this local AWS, who acts when there is no request."""
    credentials = _user(OPERATOR_ACCESS_KEY)
    return credentials.principal if credentials else ANONYMOUS


def user_key(name: str) -> dict[str, str]:
    """The access key of a user, made if there is none, as the environment variables the SDKs read."""
    iam = _iam()
    if name not in iam.users:
        iam.create_user(PARTITION, name)
    keys = iam.users[name].access_keys
    key = keys[0] if keys else iam.create_access_key(name)
    return {"AWS_ACCESS_KEY_ID": key.access_key_id, "AWS_SECRET_ACCESS_KEY": key.secret_access_key}


def assume(role_arn: str, session_name: str) -> dict[str, str]:
    """Credentials of a new session of a role, as the environment variables the SDKs read."""
    role = sts_backends[ACCOUNT_ID][PARTITION].assume_role(
        region_name=REGION,
        role_session_name=session_name,
        role_arn=role_arn,
        policy="",
        duration=3600,
        external_id="",
    )
    return {
        "AWS_ACCESS_KEY_ID": role.access_key_id,
        "AWS_SECRET_ACCESS_KEY": role.secret_access_key,
        "AWS_SESSION_TOKEN": role.session_token,
    }


def _iam(account_id: str = ACCOUNT_ID) -> IAMBackend:
    backend: IAMBackend = iam_backends[account_id][PARTITION]
    return backend


@lru_cache(maxsize=4096)
def _session(access_key_id: str) -> Credentials | None:
    for account_id in list(sts_backends):
        role = sts_backends[account_id][PARTITION].get_assumed_role_from_access_key(access_key_id)
        if role is not None:
            principal = Principal(
                "AssumedRole",
                role.user_id,
                role.arn,
                role.account_id,
                access_key_id,
                role_arn=role.role_arn,
                issued_at=role.access_key.create_date.replace(tzinfo=UTC),
            )
            return Credentials(principal, role.secret_access_key, role.session_token)
    return None


def _user(access_key_id: str) -> Credentials | None:
    iam = _iam(OTHER_ACCOUNT_ID if access_key_id == OTHER_ACCESS_KEY else ACCOUNT_ID)
    key = iam.access_keys.get(access_key_id)
    user = iam.get_user_from_access_key_id(access_key_id)
    if key is None or user is None or key.status != "Active":
        return None
    principal = Principal("IAMUser", user.id, user.arn, user.account_id, access_key_id, user_name=user.name)
    return Credentials(principal, key.secret_access_key)
