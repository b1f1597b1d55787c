from __future__ import annotations

import requests

from scripts.local_aws import LocalAws


def test_terraform_keeps_a_state_in_the_server(server: LocalAws) -> None:
    """As Terraform's ``http`` backend: 204 says that there is none."""
    url = server.state_url
    assert requests.get(url, timeout=30).status_code == 204
    for state in (b'{"serial": 1}', b'{"serial": 2}'):
        assert requests.post(url, data=state, timeout=30).ok
        assert requests.get(url, timeout=30).content == state
    assert requests.delete(url, timeout=30).ok
    assert requests.get(url, timeout=30).status_code == 204
