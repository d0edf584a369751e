"""What is ours is asked directly, whatever the environment says; elsewhere it counts, and is refused in one line."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from shared.errors import SettingsError
from shared.http_clients import http_client

BROKEN = [
    ("NO_PROXY", "localhost,[::1]"),
    ("no_proxy", "fd00::/8"),
    ("ALL_PROXY", "socks5h://127.0.0.1:9"),
    ("HTTPS_PROXY", "http://[::1"),
    ("HTTP_PROXY", "gopher://proxy:70"),
    ("SSL_CERT_FILE", "/nowhere/ca.pem"),
    ("SSLKEYLOGFILE", "/nowhere/keys"),
]
"""Each with a value that httpx cannot use."""


@pytest.fixture
def here():
    """A server on this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("name", "text"), [*BROKEN, ("HTTP_PROXY", "127.0.0.1:9"), ("ALL_PROXY", "http://127.0.0.1:9")]
)
def test_what_is_ours_is_asked_whatever_the_environment_says(monkeypatch, here, name, text):
    monkeypatch.setenv(name, text)

    with http_client(httpx.Client, here, direct=True) as client:
        assert client.get("/").status_code == 204


@pytest.mark.parametrize(("name", "text"), BROKEN)
@pytest.mark.parametrize("kind", [httpx.Client, httpx.AsyncClient])
def test_what_cannot_be_used_elsewhere_is_refused_in_one_line(monkeypatch, kind, name, text):
    monkeypatch.setenv(name, text)

    with pytest.raises(SettingsError) as refused:
        http_client(kind, "https://people.example", direct=False)

    assert str(refused.value).startswith("the environment does not lead to https://people.example (")
    assert name.upper() in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_a_proxy_for_elsewhere_is_used(monkeypatch, here):
    monkeypatch.setenv("HTTP_PROXY", here)

    async with http_client(httpx.AsyncClient, "http://people.example", direct=False) as client:
        assert (await client.get("/")).status_code == 204
