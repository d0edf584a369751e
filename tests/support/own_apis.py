"""What commands ask Muster's own APIs, answered by a function."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from shared.cli import api_client

URL = "http://ops"

Answer = Callable[[httpx.Request], httpx.Response]


def answer_commands(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    """Have the APIs answer so, whatever a command asks which of them."""

    def client(*_: Any, **__: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url=URL)

    monkeypatch.setenv("MUSTER_OPS_URL", URL)
    monkeypatch.setattr(api_client, "httpx_client", client)
