"""Puts the parts together: the patched moto, what it lacks, and the server in front of them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from moto.sqs.models import Queue, sqs_backends

from scripts.local_aws import events as events_api
from scripts.local_aws import patches, rotation
from scripts.local_aws.account import ACCOUNT_ID, REGION
from scripts.local_aws.admin import Admin
from scripts.local_aws.app import Application
from scripts.local_aws.calls import S3Call
from scripts.local_aws.clock import Clock
from scripts.local_aws.cloudwatch.alarms import Alarms
from scripts.local_aws.cloudwatch.metrics import Metrics, sample
from scripts.local_aws.delivery import DELIVERY
from scripts.local_aws.enforcement.calls import enforce
from scripts.local_aws.faults import Faults
from scripts.local_aws.firehose import api as firehose_api
from scripts.local_aws.firehose.streams import Streams
from scripts.local_aws.functions import api as functions_api
from scripts.local_aws.functions.http_api import HttpApis
from scripts.local_aws.functions.process import FunctionProcess
from scripts.local_aws.functions.runtime import Functions
from scripts.local_aws.glue import api as glue_api
from scripts.local_aws.glue.runs import JobRun, Runs, state_change
from scripts.local_aws.identity import assume, seed_operator, user_key
from scripts.local_aws.outage import Outage
from scripts.local_aws.replication import Replication
from scripts.local_aws.sources import EventSources
from scripts.local_aws.storage import delete_version, flip_byte, restore_version
from scripts.local_aws.trail import api as trail_api
from scripts.local_aws.trail import management
from scripts.local_aws.trail.writer import TrailWriter
from scripts.local_aws.wsgi import Server


class Emulation:
    """One local AWS in this process. Raises ``LocalAwsError`` if the port is taken.

    enforced: whether every call needs the policies' permission (``scripts/local_aws/enforcement``).
    """

    def __init__(self, home: Path, port: int, *, enforced: bool = False) -> None:
        self._instance = uuid.uuid4().hex
        patches.apply_all()
        seed_operator()
        self._authority = enforce() if enforced else None
        self._trail = TrailWriter(home)
        admin = Admin(
            {
                "alarms/evaluate": self._evaluate_alarms,
                "clock": self._set_clock,
                "enforcement": self._tell_decisions,
                "enforcement/interrupt": self._interrupt,
                "enforcement/session": _open_session,
                "enforcement/user": lambda request: user_key(str(request["name"])),
                "events": _set_chaos,
                "events/put": self._put_event,
                "events/tick": self._tick,
                "faults": self._set_faults,
                "firehose/flush": lambda _: self._streams.flush(),
                "kms/outage": self._set_outage,
                "metrics/add": self._add_sample,
                "queues/hold": self._hold_queue,
                "queues/wait": _let_wait,
                "replication/run": lambda _: self._replication.run(),
                "status": self._status,
                "tamper": _tamper,
                "trail/flush": self._flush_trail,
            }
        )
        self._faults = Faults(self._process_of)
        self._server = Server(Application(admin, self._observe, self._faults, self._call_api), port)
        self.endpoint = self._server.endpoint
        self._metrics = Metrics()
        self._replication = Replication(self._metrics)
        self._clock = Clock()
        self._functions = Functions(home, self.endpoint, self._metrics, self._clock)
        self._sources = EventSources(self._functions, self._clock, self._faults)
        self._events = events_api.Events(self._functions, self._metrics)
        self._alarms = Alarms(self._metrics, self._events.put)
        self._runs = Runs(home, self.endpoint, self._tell_end)
        self._streams = Streams(self.endpoint)
        self._apis = HttpApis(self._functions)
        functions_api.install(self._functions)
        rotation.install(self._functions)
        events_api.install(self._events)
        glue_api.install(self._runs)
        firehose_api.install(self._streams)
        trail_api.install(self._trail.key)
        self._outage = Outage()
        self._outage.install()
        management.install(lambda: self._trail.listen(self._tell_call))

    def start(self) -> None:
        """Answer requests from here on."""
        threading.Thread(target=self._server.serve_forever, name="server", daemon=True).start()
        self._sources.start()
        self._streams.start()
        self._trail.start()

    def _call_api(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return self._apis(environ, start_response)

    def stop(self) -> None:
        """Stop answering, and end every process that was started."""
        self._streams.stop()
        self._trail.stop()
        self._sources.stop()
        self._runs.stop()
        self._functions.stop()
        self._server.shutdown()
        self._server.server_close()
        if self._authority is not None:
            self._authority.close()

    def _observe(self, call: S3Call) -> None:
        self._trail.observe(call)
        if change := management.bucket_record(call, REGION):
            self._trail.listen(self._tell_call)(change)
        self._runs.observe(call)

    def _tell_call(self, record: dict[str, Any]) -> None:
        source = str(record["eventSource"]).removesuffix(".amazonaws.com")
        self._events.put(f"aws.{source}", "AWS API Call via CloudTrail", record)

    def _tell_end(self, run: JobRun) -> None:
        self._events.put("aws.glue", "Glue Job State Change", state_change(run))

    def _put_event(self, request: dict[str, Any]) -> dict[str, Any]:
        self._events.put(str(request["source"]), str(request["detail-type"]), dict(request["detail"]))
        return {}

    def _tell_decisions(self, _: dict[str, Any]) -> dict[str, Any]:
        if self._authority is None:
            raise ValueError("nothing is enforced here: start it with --enforced")
        return self._authority.report()

    def _interrupt(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._authority is None:
            raise ValueError("nothing is enforced here: start it with --enforced")
        return {"refused": self._authority.interruption.of(str(request["role"]))}

    def _evaluate_alarms(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"states": self._alarms.evaluate([str(name) for name in request["alarms"]])}

    def _add_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        dimensions = {str(name): str(value) for name, value in request["dimensions"].items()}
        value = sample(float(request["value"]))
        self._metrics.add(str(request["namespace"]), str(request["name"]), dimensions, value)
        return {}

    def _set_outage(self, request: dict[str, Any]) -> dict[str, Any]:
        self._outage.is_on = bool(request["on"])
        return {}

    def _hold_queue(self, request: dict[str, Any]) -> dict[str, Any]:
        self._sources.hold(_named(request["queue"]).name, bool(request["held"]))
        return {}

    def _process_of(self, access_key_id: str) -> FunctionProcess | None:
        return self._functions.process_of(access_key_id)

    def _set_clock(self, request: dict[str, Any]) -> dict[str, Any]:
        rate = request.get("rate")
        self._clock.set(None if rate is None else float(rate), float(request.get("skew_seconds", 0)))
        return {}

    def _set_faults(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"met": self._faults.configure(int(request.get("seed", 0)), dict(request.get("services", {})))}

    def _tick(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"targets": self._events.tick(str(request["rule"]))}

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "instance": self._instance,
            "queues": {queue.name: _depth(queue) for queue in _queues()},
            "functions": self._functions.status(),
            "jobs": self._runs.status(),
            "rules": self._events.status(),
            "notifications": {"held": DELIVERY.held},
            "streams": self._streams.status(),
        }

    def _flush_trail(self, request: dict[str, Any]) -> dict[str, Any]:
        self._trail.flush(digest=bool(request.get("digest", False)))
        return {}


def _open_session(request: dict[str, Any]) -> dict[str, Any]:
    """Credentials of a role, as the service that it trusts is given them."""
    return assume(str(request["role"]), str(request["session"]))


def _tamper(request: dict[str, Any]) -> dict[str, Any]:
    place = str(request["bucket"]), str(request["key"]), request.get("version_id")
    match request["action"]:
        case "flip_byte":
            flip_byte(*place, int(request.get("offset", 0)))
        case "delete":
            delete_version(*place)
        case "restore":
            restore_version(*place)
        case action:
            raise ValueError(f"there is no action {action!r}: flip_byte, delete or restore")
    return {}


def _let_wait(request: dict[str, Any]) -> dict[str, Any]:
    """Make the messages of a queue as old as if they had waited for so many seconds more."""
    queue = _named(request["queue"])
    with queue._messages_lock:
        for message in queue._messages:
            message.sent_timestamp = int(message.sent_timestamp or 0) - 1000 * int(request["seconds"])  # type: ignore[assignment]
        return {"messages": len(queue._messages)}


def _set_chaos(request: dict[str, Any]) -> dict[str, Any]:
    seed = request.get("shuffle")
    DELIVERY.configure(int(request.get("duplicate", 1)), None if seed is None else int(seed))
    return {}


def _queues() -> list[Queue]:
    backends = list(sqs_backends[ACCOUNT_ID].values())
    return [queue for backend in backends for queue in list(backend.queues.values())]


def _named(name: object) -> Queue:
    queue = next((one for one in _queues() if one.name == name), None)
    if queue is None:
        raise LookupError(f"there is no queue {name!r}")
    return queue


def _depth(queue: Queue) -> dict[str, int]:
    with queue._messages_lock:
        visible = len(queue.messages)
        return {"visible": visible, "in_flight": len(queue._messages) - visible}
