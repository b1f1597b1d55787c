from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from scripts.local_aws.patches import s3_list_versions


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("", ["a", "a", "b", "c"]),
        ("a", ["b", "c"]),
        ("aa", ["b", "c"]),
        ("b", ["c"]),
        ("c", []),
        ("0", ["a", "a", "b", "c"]),
    ],
)
def test_a_listing_starts_right_after_its_key_marker(
    marker: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        s3_list_versions.apply()
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="bucket")
        s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        for key in ("a", "a", "b", "c"):
            s3.put_object(Bucket="bucket", Key=key)
        page = s3.list_object_versions(Bucket="bucket", KeyMarker=marker)
        assert [version["Key"] for version in page.get("Versions", [])] == expected
