"""A queue whose messages a process takes itself."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import boto3
import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError
from moto import mock_aws

from custody.recorder import drain as module
from custody.recorder.drain import drain

LOGGER = Logger(service="drain")


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0)
    with mock_aws():
        sqs = boto3.client(
            "sqs", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
        )
        yield sqs, sqs.create_queue(QueueName="hasher")["QueueUrl"]


def left(sqs: Any, url: str) -> tuple[int, int]:
    """The messages that wait, and those that are hidden."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(found[names[0]]), int(found[names[1]])


def test_it_ends_when_the_queue_is_empty(queue: tuple[Any, str]) -> None:
    sqs, url = queue
    for text in ("one", "two", "three"):
        sqs.send_message(QueueUrl=url, MessageBody=text)
    seen: list[str] = []

    drain(sqs, url, seen.append, LOGGER)

    assert sorted(seen) == ["one", "three", "two"]
    assert left(sqs, url) == (0, 0)


def test_a_message_that_fails_is_hidden_and_kept_and_the_others_are_done(queue: tuple[Any, str]) -> None:
    sqs, url = queue
    for text in ("bad", "good"):
        sqs.send_message(QueueUrl=url, MessageBody=text)
    seen: list[str] = []

    def process(text: str) -> None:
        seen.append(text)
        if text == "bad":
            raise ValueError(text)

    drain(sqs, url, process, LOGGER)

    assert sorted(seen) == ["bad", "good"]
    assert left(sqs, url) == (0, 1)


def test_a_message_stays_hidden_as_long_as_it_is_worked_on(
    queue: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs, url = queue
    monkeypatch.setattr(module, "EXTEND_SECONDS", 0.01)
    sqs.send_message(QueueUrl=url, MessageBody="long")
    extended = Event()
    hidden: list[int] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        hidden.append(params["VisibilityTimeout"])
        extended.set()

    sqs.meta.events.register("provide-client-params.sqs.ChangeMessageVisibility", note)

    def process(text: str) -> None:
        assert extended.wait(60)

    drain(sqs, url, process, LOGGER)

    assert set(hidden) == {module.HIDDEN_SECONDS}
    assert left(sqs, url) == (0, 0)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_message_that_can_no_longer_be_hidden_is_worked_on_to_its_end(
    queue: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After twelve hours Amazon SQS refuses."""
    sqs, url = queue
    monkeypatch.setattr(module, "EXTEND_SECONDS", 0.01)
    sqs.send_message(QueueUrl=url, MessageBody="longer")
    refused = Event()

    def refuse(**_: Any) -> None:
        refused.set()
        raise ClientError({"Error": {"Code": "InvalidParameterValue"}}, "ChangeMessageVisibility")

    sqs.meta.events.register("before-call.sqs.ChangeMessageVisibility", refuse)
    done: list[str] = []

    def process(text: str) -> None:
        assert refused.wait(60)
        done.append(text)

    drain(sqs, url, process, LOGGER)

    assert done == ["longer"]
    assert left(sqs, url) == (0, 0)


def test_a_message_that_cannot_be_deleted_keeps_no_other_from_being_done(queue: tuple[Any, str]) -> None:
    """It comes again, and has its receipt by then."""
    sqs, url = queue
    for text in ("one", "two"):
        sqs.send_message(QueueUrl=url, MessageBody=text)
    refusals = iter([True])

    def refuse(**_: Any) -> None:
        if next(refusals, False):
            raise ClientError({"Error": {"Code": "ReceiptHandleIsInvalid"}}, "DeleteMessage")

    sqs.meta.events.register("before-call.sqs.DeleteMessage", refuse)
    seen: list[str] = []

    drain(sqs, url, seen.append, LOGGER)

    assert sorted(seen) == ["one", "two"]
    assert left(sqs, url) == (0, 1)


def test_a_queue_that_is_not_there_is_told(queue: tuple[Any, str]) -> None:
    sqs, url = queue
    with pytest.raises(ClientError, match="NonExistentQueue"):
        drain(sqs, url + "-gone", print, LOGGER)
