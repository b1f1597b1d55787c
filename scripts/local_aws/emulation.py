"""Puts the parts together: the patched moto, what it lacks, and the server in front of them."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Any

from moto.sqs.models import Queue, sqs_backends

from scripts.local_aws import patches
from scripts.local_aws.account import ACCOUNT_ID
from scripts.local_aws.admin import Admin
from scripts.local_aws.app import Application
from scripts.local_aws.delivery import DELIVERY
from scripts.local_aws.functions import api
from scripts.local_aws.functions.runtime import Functions
from scripts.local_aws.identity import seed_operator
from scripts.local_aws.sources import EventSources
from scripts.local_aws.wsgi import Server


class Emulation:
    """One local AWS in this process. Raises ``LocalAwsError`` if the port is taken."""

    def __init__(self, home: Path, port: int) -> None:
        self._instance = uuid.uuid4().hex
        patches.apply_all()
        seed_operator()
        admin = Admin({"status": self._status, "events": _set_chaos})
        self._server = Server(Application(admin, lambda call: None), port)
        self.endpoint = self._server.endpoint
        self._functions = Functions(home, self.endpoint)
        self._sources = EventSources(self._functions)
        api.install(self._functions)

    def start(self) -> None:
        """Answer requests from here on."""
        threading.Thread(target=self._server.serve_forever, name="server", daemon=True).start()
        self._sources.start()

    def stop(self) -> None:
        """Stop answering, and end every process that was started."""
        self._sources.stop()
        self._functions.stop()
        self._server.shutdown()
        self._server.server_close()

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "instance": self._instance,
            "queues": {queue.name: _depth(queue) for queue in _queues()},
            "functions": self._functions.status(),
            "notifications": {"held": DELIVERY.held},
        }


def _set_chaos(request: dict[str, Any]) -> dict[str, Any]:
    seed = request.get("shuffle")
    DELIVERY.configure(int(request.get("duplicate", 1)), None if seed is None else int(seed))
    return {}


def _queues() -> list[Queue]:
    backends = list(sqs_backends[ACCOUNT_ID].values())
    return [queue for backend in backends for queue in list(backend.queues.values())]


def _depth(queue: Queue) -> dict[str, int]:
    with queue._messages_lock:
        messages = list(queue._messages)
    visible = sum(message.visible and not message.delayed for message in messages)
    return {"visible": visible, "in_flight": len(messages) - visible}
