"""A bucket's replication configuration is kept whole, and needs versioning in both buckets.

moto returns rules without prefix, encryption and metrics, so that Terraform would set them again each time,
and takes a destination that is not there.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketReplication.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.s3.exceptions import ReplicationConfigurationNotFoundError, S3ClientError
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response


def apply() -> None:
    """Keep the document of the request beside what moto reads of it."""
    read = S3Response._replication_config_from_xml

    def replication_config_from_xml(self: S3Response, xml: Any) -> dict[str, Any]:
        return {**read(self, xml), "document": xml, "since": datetime.now(UTC)}

    S3Response._replication_config_from_xml = replication_config_from_xml  # type: ignore[method-assign]
    S3Response.get_bucket_replication = _get  # type: ignore[method-assign]
    put = S3Backend.put_bucket_replication

    def put_bucket_replication(self: S3Backend, bucket_name: str, replication: dict[str, Any]) -> None:
        rules = replication["Rule"]
        for rule in rules if isinstance(rules, list) else [rules]:
            _require_versions(self, rule["Destination"]["Bucket"].rpartition(":")[2])
        put(self, bucket_name, replication)

    S3Backend.put_bucket_replication = put_bucket_replication  # type: ignore[method-assign]


def _require_versions(backend: S3Backend, name: str) -> None:
    try:
        destination = backend.get_bucket(name)
    except S3ClientError as error:
        raise S3ClientError("InvalidRequest", "Destination bucket must exist.") from error
    if not destination.is_versioned:
        raise S3ClientError("InvalidRequest", "Destination bucket must have versioning enabled.")


def _get(self: S3Response) -> TYPE_RESPONSE:
    self.data["Action"] = "GetBucketReplication"
    replication = self.backend.get_bucket_replication(self.bucket_name)
    if not replication:
        raise ReplicationConfigurationNotFoundError(bucket_name=self.bucket_name)
    document = replication["document"]
    return 200, {"Content-Type": "application/xml"}, document
