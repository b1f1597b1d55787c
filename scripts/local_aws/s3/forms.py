"""Uploads by a browser's form: the form, and the policy that its signer lets it be held to.

"Browser-Based Uploads Using POST" (Amazon S3 API Reference).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit
from xml.parsers.expat import ExpatError

import xmltodict
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Field, File, MultipartDecoder, NeedData

from scripts.local_aws.s3.errors import S3Error, invalid_argument

MAX_FIELDS_BYTES = 20_000
"""What the fields before the file may hold together."""
_HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-type", "expires")
_OF_THE_SIGNATURE = {
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
}
_NEED_NO_CONDITION = {"file", "policy", "x-amz-signature"}


@dataclass(frozen=True, slots=True)
class Form:
    """What was posted. ``fields`` have lower-case names; the key has its file name in place."""

    fields: Mapping[str, str]
    file: bytes

    @property
    def key(self) -> str:
        """The key of the object to be."""
        return self.fields["key"]

    def headers(self) -> dict[str, str]:
        """The headers with which a PUT would say the same, lower-case."""
        headers = {name: self.fields[name] for name in _HEADERS if name in self.fields}
        headers |= {
            name: value
            for name, value in self.fields.items()
            if name.startswith("x-amz-") and name not in _OF_THE_SIGNATURE
        }
        if "acl" in self.fields:
            headers["x-amz-acl"] = self.fields["acl"]
        if "tagging" in self.fields:
            headers["x-amz-tagging"] = _tags(self.fields["tagging"])
        headers.setdefault("content-type", "binary/octet-stream")
        return headers


def read_form(content_type: str, body: bytes) -> Form:
    """Read a form that uploads a file; what follows the file is ignored. Raises ``S3Error`` for another."""
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data" or not options.get("boundary"):
        raise S3Error(
            412,
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
            Condition="Bucket POST must be of the enclosure-type multipart/form-data",
        )
    fields, name, content = _parts(body, options["boundary"].encode())
    if "key" not in fields:
        raise invalid_argument(
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of "
            "the fields.",
            "key",
        )
    fields["key"] = fields["key"].replace("${filename}", re.split(r"[/\\]", name)[-1])
    if not fields["key"]:
        raise invalid_argument("User key must have a length greater than 0.", "key")
    return Form(fields, content)


def check_policy(form: Form, bucket: str, now: datetime) -> None:
    """Raise ``S3Error`` unless the form meets its policy, which must speak of every field."""
    try:
        policy = json.loads(base64.b64decode(form.fields["policy"], validate=True))
        expiration = datetime.fromisoformat(policy["expiration"])
        conditions = [*_conditions(policy["conditions"])]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise S3Error(400, "InvalidPolicyDocument", "Invalid Policy: Invalid JSON.") from error
    if now > (expiration if expiration.tzinfo else expiration.replace(tzinfo=UTC)):
        raise _denied("Policy expired.")
    values = {**form.fields, "bucket": bucket}
    named = set(_NEED_NO_CONDITION)
    for operator, name, wanted, text in conditions:
        named.add(name)
        if operator == "content-length-range":
            _check_length(len(form.file), wanted)
        elif not _holds(operator, values.get(name), wanted):
            raise _denied(f"Policy Condition failed: {text}")
    extra = sorted(name for name in form.fields if name not in named and not name.startswith("x-ignore-"))
    if extra:
        raise _denied(f"Extra input fields: {', '.join(extra)}")


def answer(form: Form, endpoint: str, bucket: str, etag: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the answer that the form asked for."""
    location = f"{endpoint}/{bucket}/{quote(form.key, safe='')}"
    redirect = form.fields.get("success_action_redirect") or form.fields.get("redirect")
    if redirect:
        parts = urlsplit(redirect)
        if parts.scheme in {"http", "https"}:
            query = [*parse_qsl(parts.query, keep_blank_values=True), ("bucket", bucket)]
            query += [("key", form.key), ("etag", etag)]
            return 303, {"location": urlunsplit(parts._replace(query=urlencode(query)))}, b""
    headers = {"location": location}
    match form.fields.get("success_action_status"):
        case "200":
            return 200, headers, b""
        case "201":
            document = {"Location": location, "Bucket": bucket, "Key": form.key, "ETag": etag}
            body = xmltodict.unparse({"PostResponse": document}).encode()
            return 201, {**headers, "content-type": "application/xml"}, body
        case _:
            return 204, headers, b""


def _parts(body: bytes, boundary: bytes) -> tuple[dict[str, str], str, bytes]:
    """Return the fields before the file, the file's name and its content."""
    decoder = MultipartDecoder(boundary, max_form_memory_size=None)
    fields: dict[str, str] = {}
    try:
        decoder.receive_data(body)
        decoder.receive_data(None)
        event = decoder.next_event()
        while not isinstance(event, NeedData):
            name = event.name.lower() if isinstance(event, Field | File) else ""
            if isinstance(event, File) or name == "file":
                file_name = (event.filename or "") if isinstance(event, File) else ""
                return fields, file_name, _content(decoder)
            if isinstance(event, Field):
                fields[name] = _content(decoder).decode()
                if sum(len(field) + len(value) for field, value in fields.items()) > MAX_FIELDS_BYTES:
                    raise S3Error(
                        400,
                        "MaxPostPreDataLengthExceeded",
                        "Your POST request fields preceding the upload file were too large.",
                    )
            elif not isinstance(event, Data) and type(event).__name__ == "Epilogue":
                break
            event = decoder.next_event()
    except ValueError as error:
        raise S3Error(
            400,
            "MalformedPOSTRequest",
            "The body of your POST request is not well-formed multipart/form-data.",
        ) from error
    raise invalid_argument("POST requires exactly one file upload per request.", "file", "0")


def _content(decoder: MultipartDecoder) -> bytes:
    content = bytearray()
    while True:
        event = decoder.next_event()
        if not isinstance(event, Data):
            raise ValueError("the part does not end")  # noqa: TRY004 - of what was posted, as the decoder's own
        content += event.data
        if not event.more_data:
            return bytes(content)


def _conditions(written: list[Any]) -> list[tuple[str, str, Any, str]]:
    """Operator, field, what is wanted, and the condition as it is told."""
    found: list[tuple[str, str, Any, str]] = []
    for condition in written:
        if isinstance(condition, dict):
            found += [
                ("eq", name.lower(), value, json.dumps(["eq", f"${name}", value]))
                for name, value in condition.items()
            ]
            continue
        operator, first, second = condition
        operator = operator.lower()
        if operator == "content-length-range":
            found.append((operator, "", (int(first), int(second)), ""))
        elif operator in {"eq", "starts-with"} and first.startswith("$"):
            found.append((operator, first[1:].lower(), second, json.dumps(condition)))
        else:
            raise ValueError(f"{condition} is no condition")
    return found


def _holds(operator: str, value: str | None, wanted: Any) -> bool:
    if value is None:
        return False
    return value == wanted if operator == "eq" else value.startswith(str(wanted))


def _check_length(size: int, limits: tuple[int, int]) -> None:
    least, most = limits
    if size < least:
        raise S3Error(
            400,
            "EntityTooSmall",
            "Your proposed upload is smaller than the minimum allowed size",
            ProposedSize=str(size),
            MinSizeAllowed=str(least),
        )
    if size > most:
        raise S3Error(
            400,
            "EntityTooLarge",
            "Your proposed upload exceeds the maximum allowed size",
            ProposedSize=str(size),
            MaxSizeAllowed=str(most),
        )


def _tags(document: str) -> str:
    """A form's tagging, which is XML, as a header's."""
    try:
        tags = xmltodict.parse(document, force_list=("Tag",))["Tagging"]["TagSet"]["Tag"]
        return urlencode([(tag["Key"], tag["Value"] or "") for tag in tags])
    except (ExpatError, KeyError, TypeError) as error:
        raise S3Error(
            400,
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        ) from error


def _denied(reason: str) -> S3Error:
    return S3Error(403, "AccessDenied", f"Invalid according to Policy: {reason}")
