"""Puts the parts together: the patched moto, what it lacks, and the server in front of them."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Any

from scripts.local_aws import patches
from scripts.local_aws.admin import Admin
from scripts.local_aws.app import Application
from scripts.local_aws.identity import seed_operator
from scripts.local_aws.wsgi import Server


class Emulation:
    """One local AWS in this process. Raises ``LocalAwsError`` if the port is taken."""

    def __init__(self, home: Path, port: int) -> None:
        self._instance = uuid.uuid4().hex
        patches.apply_all()
        seed_operator()
        admin = Admin({"status": self._status})
        self._server = Server(Application(admin, lambda call: None), port)
        self.endpoint = self._server.endpoint

    def start(self) -> None:
        """Answer requests from here on."""
        threading.Thread(target=self._server.serve_forever, name="server", daemon=True).start()

    def stop(self) -> None:
        """Stop answering, and end every process that was started."""
        self._server.shutdown()
        self._server.server_close()

    def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"instance": self._instance}
