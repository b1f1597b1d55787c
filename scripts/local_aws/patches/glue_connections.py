"""A connection says of what type it is, and can be changed.

moto leaves ``ConnectionType`` out of GetConnection and has neither UpdateConnection nor DeleteConnection, so
that a network of jobs cannot be applied twice, and does not go.
https://docs.aws.amazon.com/glue/latest/dg/aws-glue-api-catalog-connections.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.core.utils import utcnow
from moto.glue.models import FakeConnection
from moto.glue.responses import GlueResponse


def apply() -> None:
    """Add the field and the operations."""
    described = FakeConnection.as_dict

    def as_dict(self: FakeConnection, hide_password: bool = False) -> dict[str, Any]:
        document = described(self, hide_password)
        return {**document, "ConnectionType": self.connection_input.get("ConnectionType")}

    FakeConnection.as_dict = as_dict  # type: ignore[method-assign]
    GlueResponse.update_connection = _update_connection  # type: ignore[attr-defined]
    GlueResponse.delete_connection = _delete_connection  # type: ignore[attr-defined]


def _update_connection(self: GlueResponse) -> str:
    """Put the new definition in the place of the old one; the catalogue, tags and time of creation stay."""
    backend, name = self.glue_backend, str(self._get_param("Name"))
    old = backend.get_connection(self._get_param("CatalogId"), name, "")
    new = FakeConnection(backend, old.catalog_id, self._get_param("ConnectionInput"), {})
    new.created_time, new.updated_time = old.created_time, utcnow()
    backend.connections[name] = new
    return json.dumps({})


def _delete_connection(self: GlueResponse) -> str:
    backend, name = self.glue_backend, str(self._get_param("ConnectionName"))
    backend.get_connection(self._get_param("CatalogId"), name, "")
    del backend.connections[name]
    return json.dumps({})
