"""The four steps with moto's Secrets Manager and a real HTTPS server, complete and interrupted anywhere."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.secretsmanager.models import secretsmanager_backends

from custody.errors import UsageError
from custody.warehouse.account_api import ApiAccount
from custody.warehouse.rotation import PASSWORD_LENGTH, Done, RotationError, Rotator, new_password
from tests.support.account_server import AccountServer, account_server

REGION = "us-east-1"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
CREDENTIALS = Credentials("AKIDEXAMPLE", "wJalr")


class CrashError(Exception):
    """The function's process ended here."""


class Crashing:
    """A wrapper in which one call, counted over all that share ``count``, ends the process.

    ``after``: after the call was done, without its answer; otherwise before it.
    """

    def __init__(self, wrapped: Any, count: list[int], *, after: bool) -> None:
        self._wrapped, self._count, self._after = wrapped, count, after

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._wrapped, name)
        if not callable(value):
            return value

        def call(*words: Any, **named: Any) -> Any:
            self._count[0] -= 1
            if self._count[0] == 0 and not self._after:
                raise CrashError
            try:
                return value(*words, **named)
            finally:
                if self._count[0] == 0:
                    raise CrashError

        return call


class World:
    """A secret that rotates, and the account it is of."""

    def __init__(self, secrets: Any, server: AccountServer) -> None:
        self.secrets, self.server = secrets, server
        self.account = ApiAccount(
            endpoint=server.endpoint,
            name="loader",
            credentials=CREDENTIALS,
            region=REGION,
            context=server.context,
        )
        self.rotator = Rotator(secrets=secrets, account=self.account)
        self.secret = secrets.create_secret(Name=f"custody-{uuid.uuid4()}")["ARN"]
        [backend] = secretsmanager_backends["123456789012"].values()
        self._stored = backend.secrets[self.secret]

    def asked_to_rotate(self) -> str:
        """What RotateSecret does before it calls the function; returns the token."""
        token = str(uuid.uuid4())
        self._stored.rotation_requested = self._stored.rotation_enabled = True
        self._stored.remove_version_stages_from_old_versions(["AWSPENDING"])
        self._stored.versions[token] = {
            "createdate": 0,
            "version_id": token,
            "version_stages": ["AWSPENDING"],
        }
        return token

    def value(self, stage: str = "AWSCURRENT") -> dict[str, str]:
        answer = self.secrets.get_secret_value(SecretId=self.secret, VersionStage=stage)
        return dict(json.loads(answer["SecretString"]))

    def stages(self) -> dict[str, list[str]]:
        return dict(self.secrets.describe_secret(SecretId=self.secret)["VersionIdsToStages"])

    def rotate(self, token: str) -> list[Done]:
        return [self.rotator.step(step, self.secret, token) for step in STEPS]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AccountServer]:
    keys = {CREDENTIALS.access_key: CREDENTIALS.secret_key}
    with account_server(tmp_path_factory.mktemp("accounts"), keys) as running:
        yield running


@pytest.fixture
def world(server: AccountServer) -> Iterator[World]:
    server.passwords["loader"] = None
    server.calls.clear()
    server.answers.clear()
    with mock_aws():
        yield World(
            boto3.client("secretsmanager", REGION, aws_access_key_id="x", aws_secret_access_key="x"), server
        )


def test_the_first_version_has_no_password_and_is_made_once(world: World) -> None:
    assert [world.rotator.begin(world.secret) for _ in range(2)] == [Done.MADE, Done.ALREADY]
    assert world.value() == {"username": "loader"}
    assert len(world.stages()) == 1
    assert world.server.calls == []


def test_a_rotation_gives_the_account_and_everybody_a_new_password(world: World) -> None:
    world.rotator.begin(world.secret)
    first = world.asked_to_rotate()
    assert world.rotate(first) == [Done.MADE, Done.SET, Done.TESTED, Done.FINISHED]
    one = world.value()
    assert one == {"username": "loader", "password": world.server.passwords["loader"]}
    second = world.asked_to_rotate()
    world.rotate(second)
    assert world.value()["password"] == world.server.passwords["loader"] != one["password"]
    assert world.value("AWSPREVIOUS") == one
    assert world.server.calls[:2] == ["PUT /v1/accounts/loader/password", "POST /v1/accounts/loader/sign-in"]


def test_a_step_that_was_done_does_nothing_more(world: World) -> None:
    world.rotator.begin(world.secret)
    token = world.asked_to_rotate()
    for step in STEPS:
        world.rotator.step(step, world.secret, token)
        pending = world.value("AWSPENDING")
        world.rotator.step(step, world.secret, token)
        assert world.value("AWSPENDING") == pending
    stages, calls = world.stages(), len(world.server.calls)
    assert world.rotate(token) == [Done.ALREADY] * 4
    assert world.stages() == stages
    assert len(world.server.calls) == calls


def crash_and_repeat(world: World, number: int, *, after: bool) -> bool:
    """A rotation whose ``number``-th call ends the process, then a complete one; whether it crashed."""
    world.rotator.begin(world.secret)
    token = world.asked_to_rotate()
    made: list[str] = []

    def make() -> str:
        made.append(new_password())
        return made[-1]

    count = [number]
    broken = Rotator(
        secrets=Crashing(world.secrets, count, after=after),
        account=Crashing(world.account, count, after=after),
        make_password=make,
    )
    crashed = False
    try:
        for step in STEPS:
            broken.step(step, world.secret, token)
    except CrashError:
        crashed = True
        # The new password is current only once everybody can read it.
        if "AWSCURRENT" not in world.stages()[token]:
            assert world.value() == {"username": "loader"}
    world.rotate(token)
    assert world.stages()[token].count("AWSCURRENT") == 1
    assert world.value()["password"] == world.server.passwords["loader"]
    assert len(made) <= 1
    return crashed


@pytest.mark.parametrize("after", [False, True])
def test_wherever_it_breaks_off_it_is_mended_by_doing_it_again(world: World, after: bool) -> None:
    number = 1
    while crash_and_repeat(World(world.secrets, world.server), number, after=after):
        number += 1
    # describe, read both, put; describe, read, set; describe, read, check; describe, move
    assert number == 13


def test_a_rotation_after_one_that_broke_off_for_good_is_none_the_worse(world: World) -> None:
    world.rotator.begin(world.secret)
    token = world.asked_to_rotate()
    for step in STEPS[:2]:
        world.rotator.step(step, world.secret, token)
    world.rotate(world.asked_to_rotate())
    assert world.value()["password"] == world.server.passwords["loader"]


def test_what_is_no_rotation_is_refused(world: World) -> None:
    token = str(uuid.uuid4())
    with pytest.raises(RotationError, match="not enabled"):
        world.rotator.step("createSecret", world.secret, token)
    token = world.asked_to_rotate()
    with pytest.raises(RotationError, match="no current version"):
        world.rotator.step("createSecret", world.secret, token)
    world.rotator.begin(world.secret)
    token = world.asked_to_rotate()
    with pytest.raises(RotationError, match="no step 'deleteSecret'"):
        world.rotator.step("deleteSecret", world.secret, token)
    with pytest.raises(RotationError, match="no version"):
        world.rotator.step("createSecret", world.secret, str(uuid.uuid4()))
    world.rotator.step("createSecret", world.secret, token)
    world.asked_to_rotate()
    with pytest.raises(RotationError, match="not the pending one"):
        world.rotator.step("setSecret", world.secret, token)
    assert world.server.passwords["loader"] is None


def test_a_password_that_does_not_open_is_not_handed_out(world: World) -> None:
    world.rotator.begin(world.secret)
    token = world.asked_to_rotate()
    for step in STEPS[:2]:
        world.rotator.step(step, world.secret, token)
    world.server.passwords["loader"] = "changed by somebody"
    with pytest.raises(RotationError, match="does not work"):
        world.rotator.step("testSecret", world.secret, token)
    assert world.value() == {"username": "loader"}


@pytest.mark.parametrize(
    "value", ["no JSON", "[]", '{"username": "loader"}', '{"username": "another", "password": "x"}']
)
def test_a_pending_value_of_another_form_is_not_set_and_not_quoted(world: World, value: str) -> None:
    world.rotator.begin(world.secret)
    token = world.asked_to_rotate()
    world.secrets.put_secret_value(
        SecretId=world.secret, ClientRequestToken=token, SecretString=value, VersionStages=["AWSPENDING"]
    )
    with pytest.raises(RotationError, match=r"pending version is|AWSPENDING is") as raised:
        world.rotator.step("setSecret", world.secret, token)
    assert raised.value.__cause__ is None
    assert world.server.calls == []


def test_fields_that_somebody_added_are_kept(world: World) -> None:
    world.rotator.begin(world.secret)
    world.rotate(world.asked_to_rotate())
    added = {"host": "wh.example", "port": 5439, "options": {"tls": True, "roles": ["a", None]}, "id": 10**30}
    before = world.value()["password"]
    [current] = [version for version, stages in world.stages().items() if "AWSCURRENT" in stages]
    edited = world.secrets.put_secret_value(
        SecretId=world.secret,
        SecretString=json.dumps({**added, "username": "old-name", "password": before}),
        VersionStages=["edited"],
    )["VersionId"]
    world.secrets.update_secret_version_stage(
        SecretId=world.secret,
        VersionStage="AWSCURRENT",
        MoveToVersionId=edited,
        RemoveFromVersionId=current,
    )
    assert world.value()["host"] == "wh.example"
    world.rotate(world.asked_to_rotate())
    after = world.value()
    assert after == {**added, "username": "loader", "password": world.server.passwords["loader"]}
    assert after["password"] != before


@pytest.mark.parametrize("value", ["no JSON", "[]", '"text"', "[" * 100_000, b"binary"])
def test_a_current_value_that_cannot_be_carried_on_stops_the_rotation_unquoted(
    world: World, value: str | bytes
) -> None:
    world.rotator.begin(world.secret)
    kind = "SecretBinary" if isinstance(value, bytes) else "SecretString"
    world.secrets.put_secret_value(SecretId=world.secret, **{kind: value})
    token = world.asked_to_rotate()
    with pytest.raises(RotationError, match="AWSCURRENT is not a JSON object") as raised:
        world.rotator.step("createSecret", world.secret, token)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    assert world.server.calls == []


def test_denials_of_secrets_manager_are_not_taken_for_an_answer(world: World) -> None:
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        world.rotator.step("createSecret", "absent", str(uuid.uuid4()))


def test_passwords_are_long_of_every_kind_and_never_the_same() -> None:
    passwords = {new_password() for _ in range(200)}
    assert len(passwords) == 200
    for password in passwords:
        assert len(password) == PASSWORD_LENGTH
        assert any(c.islower() for c in password)
        assert any(c.isupper() for c in password)
        assert any(c.isdigit() for c in password)
        assert set(password) & set("-_.~")


def account(server: AccountServer, **other: Any) -> ApiAccount:
    return ApiAccount(
        **{
            "endpoint": server.endpoint,
            "name": "loader",
            "credentials": CREDENTIALS,
            "region": REGION,
            "context": server.context,
            **other,
        }
    )


@pytest.mark.usefixtures("world")
class TestApiAccount:
    def test_it_sets_and_tries(self, server: AccountServer) -> None:
        loader = account(server)
        loader.set_password("a'b\"c\\é")
        assert (loader.check("a'b\"c\\é"), loader.check("another")) == (True, False)

    def test_a_name_is_one_part_of_the_path(self, server: AccountServer) -> None:
        server.passwords["a/b c"] = None
        account(server, name="a/b c").set_password("x")
        assert server.passwords["a/b c"] == "x"

    @pytest.mark.parametrize("key", [Credentials("AKIDEXAMPLE", "wrong"), Credentials("UNKNOWN", "wJalr")])
    def test_whoever_is_not_let_in_sets_nothing(self, server: AccountServer, key: Credentials) -> None:
        with pytest.raises(RotationError, match="answers 403 to password"):
            account(server, credentials=key).set_password("x")
        assert server.passwords["loader"] is None

    def test_a_server_nobody_vouches_for_hears_nothing(self, server: AccountServer) -> None:
        with pytest.raises(RotationError, match="certificate verify failed"):
            account(server, context=None).set_password("x")
        assert server.calls == []

    def test_a_server_that_is_not_there_is_named(self, server: AccountServer) -> None:
        with pytest.raises(RotationError, match=r"127\.0\.0\.1 does not answer"):
            account(server, endpoint="https://127.0.0.1:9").set_password("x")

    @pytest.mark.parametrize("status", [200, 301, 500])
    def test_an_answer_is_not_repeated(self, server: AccountServer, status: int) -> None:
        server.answers["sign-in"] = (status, b'{"you said": "hunter2"}')
        with pytest.raises(RotationError) as raised:
            account(server).check("hunter2")
        assert "hunter2" not in str(raised.value)
        assert raised.value.__cause__ is None

    @pytest.mark.parametrize("answer", [b'{"opens": "yes"}', b"[]", b"opens"])
    def test_an_answer_that_says_nothing_is_none(self, server: AccountServer, answer: bytes) -> None:
        server.answers["sign-in"] = (200, answer)
        with pytest.raises(RotationError, match="does not say"):
            account(server).check("x")

    @pytest.mark.parametrize(
        "endpoint",
        ["http://a.example", "https://", "https://u:p@a.example", "https://a.example?q=1", "a.example", ""],
    )
    def test_an_endpoint_is_an_https_url(self, server: AccountServer, endpoint: str) -> None:
        with pytest.raises(UsageError, match="https URL"):
            account(server, endpoint=endpoint)

    def test_an_account_has_a_name(self, server: AccountServer) -> None:
        with pytest.raises(UsageError, match="no name"):
            account(server, name="")
