"""Faults that the calls of functions meet, decided from a seed.

Of each service, one sequence of random numbers decides what becomes of its calls, in the order in which they
come: the same seed gives the same faults in the same order, and the scheduler decides who meets which.

Sources: "Error responses" (Amazon S3 API Reference), "Common Errors" (AWS KMS and Amazon SQS API References).
"""

from __future__ import annotations

import json
import random
import re
import select
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from werkzeug.http import HTTP_STATUS_CODES

from scripts.local_aws.calls import S3Call
from scripts.local_aws.functions.process import FunctionProcess
from scripts.local_aws.s3.errors import S3Error

Serve = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
LONGEST_WAIT_SECONDS = 60.0
"""A call without an answer is ended after this; clients do so earlier."""
DELETE_ATTEMPTS = 3
"""How often a poller of Lambda tries to delete a batch, as the SDKs do."""
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request")


class Fault(StrEnum):
    """What becomes of a call."""

    THROTTLE = "throttle"
    ERROR = "error"
    """It fails within the service (HTTP status 500)."""
    RESET = "reset"
    """The connection is closed, and nothing was done."""
    LOST = "lost"
    """All was done, and the connection is closed before the answer."""
    CUT = "cut"
    """The connection is closed in the middle of the answer."""
    SILENCE = "silence"
    """Nothing is done, and no answer comes before the client's timeout."""
    KILL = "kill"
    """The process that calls is killed, before the call does anything or after."""
    EXPIRE = "expire"
    """Likewise, as Lambda ends a function whose timeout has passed."""


_ANSWERS = {
    ("s3", Fault.THROTTLE): (503, "SlowDown", "Please reduce your request rate."),
    ("s3", Fault.ERROR): (500, "InternalError", "We encountered an internal error. Please try again."),
    ("kms", Fault.THROTTLE): (400, "ThrottlingException", "Rate exceeded"),
    ("kms", Fault.ERROR): (500, "KMSInternalException", "An internal error occurred."),
    ("sqs", Fault.THROTTLE): (400, "ThrottlingException", "Rate exceeded"),
    ("sqs", Fault.ERROR): (500, "InternalFailure", "An internal error occurred."),
}
SERVICES = frozenset(service for service, _ in _ANSWERS)


class _Dice:
    """The faults of one service."""

    def __init__(self, seed: str, rates: Mapping[Fault, float]) -> None:
        self._random = random.Random(seed)  # noqa: S311 - chaos, not a secret
        self._rates = rates
        self._lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def throw(self) -> tuple[Fault | None, bool]:
        """What becomes of the next call, and for faults that have it, whether before the call or after."""
        with self._lock:
            left, is_before = self._random.random(), self._random.random() < 0.5
            self.counts["calls"] += 1
            for fault, rate in self._rates.items():
                left -= rate
                if left < 0:
                    self.counts[fault] += 1
                    return fault, is_before
        return None, is_before


class Faults:
    """Stands in front of every service. ``process_of`` has the process that was given an access key."""

    def __init__(self, process_of: Callable[[str], FunctionProcess | None]) -> None:
        self._process_of = process_of
        self._dice: dict[str, _Dice] = {}

    def configure(self, seed: int, services: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, int]]:
        """Decide anew from here on: by service, the share of calls that meets each fault.

        Answers by service how many calls met each until now. Raises ``ValueError`` for an unknown service or
        fault, and for shares that are none.
        """
        dice = {}
        for service, shares in services.items():
            if service not in SERVICES:
                raise ValueError(f"there are no faults of {service!r}; there are: {sorted(SERVICES)}")
            rates = {Fault(name): float(rate) for name, rate in shares.items()}
            if min(rates.values(), default=0) < 0 or sum(rates.values()) > 1:
                raise ValueError("the shares of a service are 0 to 1, together too")
            dice[service] = _Dice(f"{seed}/{service}", rates)
        before, self._dice = self._dice, dice
        return {service: dict(one.counts) for service, one in before.items()}

    def loses_delete(self) -> bool:
        """Whether a poller cannot delete the messages that a function has processed."""
        dice = self._dice.get("sqs")
        return dice is not None and all(dice.throw()[0] is not None for _ in range(DELETE_ATTEMPTS))

    def meet(
        self, environ: dict[str, Any], start_response: Callable[..., Any], serve: Serve
    ) -> Iterable[bytes]:
        """Serve a request, or have it meet its fault."""
        found = _CREDENTIAL.search(str(environ.get("HTTP_AUTHORIZATION", ""))) if self._dice else None
        dice = self._dice.get(found[2]) if found else None
        process = self._process_of(found[1]) if found and dice else None
        if found is None or dice is None or process is None:
            return serve(environ, start_response)
        fault, is_before = dice.throw()
        match fault:
            case None:
                return serve(environ, start_response)
            case Fault.THROTTLE | Fault.ERROR:
                return _refuse(found[2], fault, start_response)
            case Fault.CUT:
                return _cut(serve(environ, start_response))
            case Fault.SILENCE:
                _await_end(environ)
            case Fault.LOST:
                _serve_unheard(environ, serve)
            case Fault.KILL | Fault.EXPIRE:
                if not is_before:
                    _serve_unheard(environ, serve)
                process.kill() if fault is Fault.KILL else process.expire()
        raise ConnectionResetError(str(fault))


def _refuse(service: str, fault: Fault, start_response: Callable[..., Any]) -> list[bytes]:
    status, code, message = _ANSWERS[service, fault]
    if service == "s3":
        call = S3Call("", "")
        kind, body = "application/xml", S3Error(status, code, message).document(call.request_id, call.host_id)
    else:
        kind, body = "application/x-amz-json-1.1", json.dumps({"__type": code, "message": message}).encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
    start_response(f"{status} {HTTP_STATUS_CODES[status]}", headers)
    return [body]


def _cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    whole = b"".join(bytes(chunk) for chunk in chunks)
    if not whole:
        raise ConnectionResetError(str(Fault.CUT))

    def half() -> Iterator[bytes]:
        yield whole[: len(whole) // 2]
        raise ConnectionResetError(str(Fault.CUT))

    return half()


def _await_end(environ: dict[str, Any]) -> None:
    """Wait until the client gives up: after its request, its end of the connection has no more to say."""
    environ["wsgi.input"].read()
    connection = select.poll()
    connection.register(environ["werkzeug.socket"], select.POLLIN)
    connection.poll(LONGEST_WAIT_SECONDS * 1000)


def _serve_unheard(environ: dict[str, Any], serve: Serve) -> None:
    chunks = serve(environ, lambda *_: None)
    for _ in chunks:
        pass
    if close := getattr(chunks, "close", None):
        close()
