"""GetObject without most of what botocore does around each request, for runs that read many objects."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError
from botocore.response import StreamingBody
from botocore.utils import percent_encode, percent_encode_sequence

from custody.listing import parse_aws_time

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

_METADATA = "x-amz-meta-"


class DirectReader:
    """Reads object versions over a client's own connections, with its credentials and signature version 4.

    The client makes the first request to each bucket; its URL shows the endpoint of further ones. A request
    whose status is not 200 is repeated through the client, which retries, follows redirects and raises
    errors. The client resolves the endpoint, checks parameters and calls its event handlers for each request:
    a GET of a small object through it takes about three times as much processor time.

    Thread-safe.
    """

    def __init__(self, s3: S3Client) -> None:
        self.client = s3
        client: Any = s3  # botocore documents neither of the two attributes
        self._http, self._signer = client._endpoint.http_session, client._request_signer
        self._places: dict[str, _Place] = {}
        self._through_client = threading.local()
        s3.meta.events.register("before-send.s3.GetObject", self._note_place)

    def get_object(
        self,
        *,
        Bucket: str,  # noqa: N803 - as the client calls them
        Key: str,  # noqa: N803
        VersionId: str,  # noqa: N803
    ) -> GetObjectOutputTypeDef:
        """Like the client's ``get_object``: Body, ContentLength, ETag, LastModified and Metadata only."""
        target = percent_encode(Key, safe="/~") + "?" + percent_encode_sequence({"versionId": VersionId})
        if (place := self._places.get(Bucket)) is not None:
            try:
                answer = self._get(place, target)
            except BotoCoreError:
                answer = None
            if answer is not None:
                return answer
        self._through_client.asked = Bucket, target
        try:
            return self.client.get_object(Bucket=Bucket, Key=Key, VersionId=VersionId)
        finally:
            del self._through_client.asked

    def _get(self, place: _Place, target: str) -> GetObjectOutputTypeDef | None:
        request = AWSRequest(
            "GET", place.url + target, headers={"User-Agent": place.user_agent}, stream_output=True
        )
        request.context["client_config"] = self.client.meta.config
        self._signer.get_auth_instance("s3", place.region, "s3v4").add_auth(request)
        response = self._http.send(request.prepare())
        headers = response.headers
        if response.status_code != 200 or not {"Content-Length", "ETag", "Last-Modified"} <= headers.keys():
            response.raw.release_conn()
            return None
        length = int(headers["Content-Length"])
        answer = {
            "Body": StreamingBody(response.raw, length),
            "ContentLength": length,
            "ETag": headers["ETag"],
            "LastModified": parse_aws_time(headers["Last-Modified"]),
            "Metadata": {
                name.lower().removeprefix(_METADATA): value
                for name, value in headers.items()
                if name.lower().startswith(_METADATA)
            },
        }
        return cast("GetObjectOutputTypeDef", answer)

    def _note_place(self, request: AWSPreparedRequest, **_: Any) -> None:
        """Note the URL of a bucket's objects, if the client requests them as ``_get`` would."""
        bucket, target = getattr(self._through_client, "asked", ("", ""))
        authorization = _text(request.headers.get("Authorization", ""))
        scope = authorization.removeprefix("AWS4-HMAC-SHA256 Credential=").partition(",")[0].split("/")
        if bucket and request.url.endswith("/" + target) and scope[3:] == ["s3", "aws4_request"]:
            url = request.url.removesuffix(target)
            self._places[bucket] = _Place(url, scope[2], _text(request.headers["User-Agent"]))


@dataclass(frozen=True, slots=True)
class _Place:
    """How to request a bucket's objects."""

    url: str
    """URL of the bucket, with a slash at its end."""
    region: str
    user_agent: str


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
