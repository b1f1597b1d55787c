"""The second copy of the evidence: one bucket of another account, with every key and version id as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from custody.deployment import Deployment
from custody.errors import UsageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class EvidenceCopy:
    """Where a deployment's second copy is."""

    bucket: str
    region: str
    deployment_key: str
    """The key of the deployment's file, in the artifacts bucket and in the copy."""


def copy_of(deployment: Deployment) -> EvidenceCopy:
    """The second copy of a deployment's evidence. Raises ``UsageError`` if there is none, or only itself."""
    if not deployment.evidence_copy:
        raise UsageError(
            "This deployment has no second copy of its evidence.",
            "Set evidence_copy in its variables and run make apply.",
        )
    named = deployment.evidence_copy
    if named["bucket"] in deployment.buckets.values():
        raise UsageError(
            f"{named['bucket']} is a bucket of the deployment itself, and no copy of its evidence.",
            "Name the right deployment file with --deployment.",
        )
    return EvidenceCopy(named["bucket"], named["region"], f"deployments/{deployment.workgroup}.json")


def copied_buckets(deployment: Deployment) -> list[str]:
    """The buckets all of whose versions are copied; they have no key in common.

    A trail that is not the deployment's own is its owner's to copy.
    """
    shorts = ["cloudtrail-log", "provenance"] if deployment.has_own_trail else ["provenance"]
    return [deployment.buckets[short] for short in shorts]


def places_in_copy(deployment: Deployment) -> dict[str, str]:
    """The copy's bucket by the name of each bucket that it has. Raises ``UsageError`` if there is no copy."""
    return dict.fromkeys(copied_buckets(deployment), copy_of(deployment).bucket)


def read_elsewhere(s3: S3Client, places: Mapping[str, str]) -> S3Client:
    """Let a client ask the bucket that ``places`` gives wherever another is asked for.

    So what evidence says of buckets stays true: it names the originals. Others are asked as they are.
    """

    def rename(params: dict[str, Any], **_: Any) -> None:
        params["Bucket"] = places.get(params["Bucket"], params["Bucket"])

    s3.meta.events.register("before-parameter-build.s3", rename)
    return s3
