"""A saved query can be deleted.

moto has no DeleteNamedQuery, so that a deployment with one cannot be destroyed.
https://docs.aws.amazon.com/athena/latest/APIReference/API_DeleteNamedQuery.html
"""

from __future__ import annotations

import json

from moto.athena.responses import AthenaResponse
from moto.core.exceptions import JsonRESTError


def apply() -> None:
    """Add the operation; answer for a query that is not there as Athena does."""
    AthenaResponse.delete_named_query = _delete_named_query  # type: ignore[attr-defined]
    get = AthenaResponse.get_named_query

    def get_named_query(self: AthenaResponse) -> str:
        _require(self)
        return get(self)

    AthenaResponse.get_named_query = get_named_query  # type: ignore[method-assign]


def _delete_named_query(self: AthenaResponse) -> str:
    del self.athena_backend.named_queries[_require(self)]
    return json.dumps({})


def _require(response: AthenaResponse) -> str:
    query_id = str(response._get_param("NamedQueryId"))
    if query_id not in response.athena_backend.named_queries:
        raise JsonRESTError("InvalidRequestException", f"NamedQuery {query_id} was not found.")
    return query_id
