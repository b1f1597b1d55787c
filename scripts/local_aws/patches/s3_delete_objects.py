"""Each object of a DeleteObjects is asked about as the DeleteObject that it is.

moto asks for ``s3:DeleteObject`` whether a version is named or not, never for what bypasses retention, and
names no version in its errors.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

from __future__ import annotations

from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict
from moto.core.responses import ActionResult
from moto.s3.exceptions import MalformedXML
from moto.s3.responses import S3Response

from scripts.local_aws.calls import current
from scripts.local_aws.patches.s3_bucket_policy import allows

MAX_OBJECTS = 1000


def apply() -> None:
    """Replace how moto goes through the objects."""
    S3Response._bucket_response_delete_keys = _delete_keys  # type: ignore[method-assign]


def _delete_keys(self: S3Response, bucket_name: str, authenticated: bool = True) -> Any:
    del authenticated  # the policy says, object by object
    call = current()
    bypasses = self.headers.get("x-amz-bypass-governance-retention", "").lower() == "true"
    objects, is_quiet = _named(self.body)
    bucket = self.backend.get_bucket(bucket_name)
    errors, allowed = [], []
    for entry in objects:
        actions = ["DeleteObjectVersion" if entry.get("VersionId") else "DeleteObject"]
        actions += ["BypassGovernanceRetention"] * bypasses
        if call is None or all(allows(bucket, call, action, entry["Key"]) for action in actions):
            allowed.append(entry)
        else:
            errors.append({**entry, "Code": "AccessDenied", "Message": "Access Denied"})
    deleted, locked = [], []
    for entry in allowed:  # one by one: moto names what is locked by its key alone
        gone, kept = self.backend.delete_objects(bucket_name, [entry], bypasses)
        deleted += gone
        locked += [entry] if kept else []
    errors += [
        {**entry, "Code": "AccessDenied", "Message": "Access Denied because object protected by object lock."}
        for entry in locked
    ]
    self.data["Action"] = "DeleteObjects"
    told = [
        {
            "Key": key,
            "VersionId": version_id or None,
            "DeleteMarkerVersionId": marker or None,
            "DeleteMarker": True if marker else None,
        }
        for key, version_id, marker in deleted
    ]
    return self.serialized(ActionResult({"Deleted": [] if is_quiet else told, "Errors": errors}))


def _named(body: bytes) -> tuple[list[dict[str, str]], bool]:
    """Return the objects of a request, and whether it wants to hear of errors alone."""
    try:
        document = xmltodict.parse(body, strip_whitespace=False, force_list=("Object",))["Delete"]
        objects = [
            {name: entry[name] for name in ("Key", "VersionId") if entry.get(name)}
            for entry in document["Object"]
        ]
    except (AttributeError, ExpatError, KeyError, TypeError) as error:
        raise MalformedXML() from error
    if not 1 <= len(objects) <= MAX_OBJECTS or any("Key" not in entry for entry in objects):
        raise MalformedXML()
    return objects, (document.get("Quiet") or "").strip().lower() == "true"
