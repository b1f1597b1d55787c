"""A service with accounts: a real HTTPS server on this machine that checks Signature Version 4."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class AccountServer:
    """Its address, access keys and accounts, and the requests it received."""

    endpoint: str
    certificate: Path
    secret_keys: dict[str, str] | None
    """Secret access keys by access key id; ``None`` accepts any signature."""
    passwords: dict[str, str | None] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """What to answer to an action instead, after doing it."""

    @property
    def context(self) -> ssl.SSLContext:
        """A TLS context that trusts its certificate."""
        return ssl.create_default_context(cafile=str(self.certificate))


@contextmanager
def account_server(
    folder: Path, secret_keys: dict[str, str] | None, name: str = "loader"
) -> Iterator[AccountServer]:
    """Serve until the block ends; the one account has no password at first."""
    certificate, key = self_signed(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    state = AccountServer(
        f"https://127.0.0.1:{server.server_address[1]}/v1", certificate, secret_keys, {name: None}
    )
    server.state = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        state: AccountServer = self.server.state  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        state.calls.append(f"{self.command} {self.path}")
        status, answer = self._answer(state, body)
        if status < 300:
            status, answer = state.answers.get(self.path.rsplit("/", 1)[1], (status, answer))
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _answer(self, state: AccountServer, body: bytes) -> tuple[int, bytes]:
        if not self._is_signed(state, body):
            return 403, b'{"message": "Forbidden"}'
        _, version, accounts, name, action = self.path.split("/")
        name = unquote(name)
        if (version, accounts) != ("v1", "accounts") or name not in state.passwords:
            return 404, b""
        password = json.loads(body)["password"]
        if (self.command, action) == ("PUT", "password"):
            state.passwords[name] = password
            return 204, b""
        if (self.command, action) == ("POST", "sign-in"):
            return 200, json.dumps({"opens": state.passwords[name] == password}).encode()
        return 404, b""

    def _is_signed(self, state: AccountServer, body: bytes) -> bool:
        """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html."""
        parts = dict(
            part.strip().split("=", 1)
            for part in self.headers["Authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(",")
        )
        access_key, _, region, service, _ = parts["Credential"].split("/")
        if state.secret_keys is None:
            return service == "execute-api"
        if access_key not in state.secret_keys or service != "execute-api":
            return False
        headers = {name: self.headers[name] for name in parts["SignedHeaders"].split(";")}
        url = f"{state.endpoint.removesuffix('/v1')}{self.path}"
        request: Any = AWSRequest(self.command, url, headers=headers, data=body)
        request.context["timestamp"] = self.headers["X-Amz-Date"]
        signer: Any = SigV4Auth(Credentials(access_key, state.secret_keys[access_key]), service, region)
        signed = signer.string_to_sign(request, signer.canonical_request(request))
        return bool(signer.signature(signed, request) == parts["Signature"])


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine's own address and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "accounts")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, private
