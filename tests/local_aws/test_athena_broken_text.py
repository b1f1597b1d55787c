from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scripts.local_aws.athena import engine


class Lake:
    """A catalogue of one table and a store of its objects."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self._objects = objects

    def get_table(self, database: str, name: str) -> Mapping[str, Any]:
        return {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "StorageDescriptor": {
                "Columns": [{"Name": "payload", "Type": "string"}],
                "Location": "s3://lake/t/",
                "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
                    "Parameters": {"ignore.malformed.json": "true"},
                },
            },
        }

    def list(self, bucket: str, prefix: str) -> Iterable[tuple[str, int, str]]:
        return [(key, len(body), key) for key, body in self._objects.items()]

    def read(self, bucket: str, key: str) -> bytes:
        return self._objects[key]


def test_bytes_that_are_not_utf8_spoil_one_field_and_not_the_query() -> None:
    lake = Lake(
        {"t/a": b'{"payload":"\xc3\xa9"}', "t/b": b'{"payload":"a\xb3b"}', "t/c": b'{"pay\xb3load":"x"}'}
    )
    with engine.Engine(lake, lake) as athena:
        result = athena.run("SELECT payload FROM t ORDER BY payload", "db")
    assert result.rows == (("a\ufffdb",), ("é",), (None,))
