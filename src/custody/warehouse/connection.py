"""Short sessions with Snowflake, signed in with a key pair: the private key is in Secrets Manager alone.

https://docs.snowflake.com/en/user-guide/key-pair-auth
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from typing import Any

from custody.deployment import Deployment
from custody.errors import CannotCheckError, UsageError

STATEMENT_SECONDS = 3600
LOCK_SECONDS = 600

SESSION: Mapping[str, str | int | bool] = {
    "TIMEZONE": "UTC",
    "STATEMENT_TIMEOUT_IN_SECONDS": STATEMENT_SECONDS,
    "LOCK_TIMEOUT": LOCK_SECONDS,
    # What a loader that was killed has begun is undone, and its locks are gone, when its connection is.
    "ABORT_DETACHED_QUERY": True,
    "TRANSACTION_ABORT_ON_ERROR": True,
    "CLIENT_SESSION_KEEP_ALIVE": False,
}
"""https://docs.snowflake.com/en/sql-reference/parameters"""

_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}", re.ASCII)
_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """Where to sign in, and the names there: all begin with ``name``, as in ``sql/warehouse/setup.sql``."""

    account: str
    name: str
    stage_url: str
    integration_role_arn: str
    external_id: str
    secret_arn: str

    @property
    def loader(self) -> str:
        """The user that loads, and its role."""
        return f"{self.name}_LOADER"

    @property
    def warehouse(self) -> str:
        """The virtual warehouse that runs its statements."""
        return f"{self.name}_LOAD"

    @property
    def pii_role(self) -> str:
        """The role that sees personal data."""
        return f"{self.name}_PII_READER"


SCHEMA = "GOLD"


class Session:
    """An open session. Values are bound by the server, and never become part of a statement."""

    def __init__(self, connection: Any, error: type[Exception]) -> None:
        self._connection = connection
        self._error = error

    def run(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run one statement; return its rows. Raises ``CannotCheckError`` if Snowflake refuses it."""
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(sql, tuple(values) or None)
                rows: list[tuple[Any, ...]] = cursor.fetchall()
            except self._error as error:
                raise _refused(error) from error
            return rows

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row of values. Raises like ``run``."""
        with self._connection.cursor() as cursor:
            try:
                cursor.executemany(sql, [tuple(row) for row in rows])
            except self._error as error:
                raise _refused(error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of the block's statements, or none of them."""
        self.run("BEGIN TRANSACTION")
        try:
            yield
        except BaseException:
            with suppress(CannotCheckError):  # the session may be gone, and with it the transaction
                self.run("ROLLBACK")
            raise
        self.run("COMMIT")


def settings_of(deployment: Deployment) -> Settings:
    """The settings of a deployment. Raises ``UsageError`` if it has no warehouse, or a wrong name for it."""
    if not deployment.snowflake:
        raise UsageError(
            "This deployment has no warehouse.",
            "Set snowflake in its tfvars, and run make apply: docs/warehouse.md.",
        )
    settings = Settings(**{item.name: deployment.snowflake[item.name] for item in fields(Settings)})
    for name, pattern in {"account": _ACCOUNT, "name": _NAME}.items():
        if not pattern.fullmatch(value := getattr(settings, name)):
            raise UsageError(
                f"In the deployment file, snowflake.{name} is {value[:80]!r}.", "Run make apply again."
            )
    return settings


def private_key(secrets: Any, settings: Settings) -> bytes:
    """The private key (PKCS #8, DER), which the secret holds as PEM; it is kept in memory alone.

    Raises ``UsageError`` if the secret has no such value. No error has any of it.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415 - installed where a client was created

    arn = settings.secret_arn
    how = "Make a key pair and store it: docs/warehouse.md."
    try:
        text = secrets.get_secret_value(SecretId=arn).get("SecretString", "")
    except ClientError as error:
        if error.response["Error"].get("Code") != "ResourceNotFoundException":
            raise
        raise UsageError(f"The secret {arn} has no value yet.", how) from error
    return read_private_key(text, f"The secret {arn}", how)


def read_private_key(pem: str, subject: str, how: str = "") -> bytes:
    """An RSA key as PEM, as the connector takes it. Raises ``UsageError`` about ``subject``."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - not in Lambda
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415

    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (TypeError, UnsupportedAlgorithm, ValueError):
        key = None
    if not isinstance(key, RSAPrivateKey) or key.key_size < 2048:
        raise UsageError(f"{subject} is no unencrypted RSA private key of 2,048 bits or more in PEM.", how)
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def import_connector() -> Any:
    """The connector of Snowflake, of an environment of its own. Raises ``UsageError`` without it."""
    try:
        import snowflake.connector  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "The connector of Snowflake is not installed here.",
            "Run make warehouse, and then build/warehouse/bin/custody.",
        ) from error
    return snowflake.connector


@contextmanager
def open_session(settings: Settings, key: bytes, tag: str) -> Iterator[Session]:
    """A session that ends with the block; ``tag`` names it in Snowflake's query history.

    Raises ``UsageError`` without the connector, ``CannotCheckError`` if Snowflake does not let it in.
    """
    connector = import_connector()
    known = connector.errors.Error
    try:
        connection = connector.connect(
            account=settings.account,
            user=settings.loader,
            private_key=key,
            authenticator="SNOWFLAKE_JWT",
            role=settings.loader,
            warehouse=settings.warehouse,
            database=settings.name,
            schema=SCHEMA,
            paramstyle="qmark",
            application="custody",
            login_timeout=60,
            network_timeout=STATEMENT_SECONDS,
            session_parameters={**SESSION, "QUERY_TAG": tag},
        )
    except known as error:
        raise _refused(error) from error
    try:
        yield Session(connection, known)
    finally:
        connection.close()


def _refused(error: Exception) -> CannotCheckError:
    words = " ".join(str(getattr(error, "msg", None) or error).split())
    query = getattr(error, "sfqid", None)
    return CannotCheckError(f"Snowflake refused: {words[:500]}" + (f" (query {query})." if query else ""))
