"""What no client library would send, byte by byte to the real processes: it is refused, and nothing breaks."""

import socket
from functools import partial
from urllib.parse import urlsplit

import pytest

from tests.hostile.texts import header_values
from tests.hostile.unharmed import Unharmed
from tests.support.patience import SECONDS


@pytest.fixture(scope="module")
def before(stack):
    return Unharmed(stack)


HEADERS = {
    "write": (
        *("Idempotency-Key", "If-Match", "traceparent", "tracestate", "Request-Id", "Authorization"),
        *("Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Accept", "User-Agent"),
    ),
    "read": ("Muster-Min-Position", "If-None-Match", "Authorization", "Accept", "Cookie", "X-Forwarded-For"),
    "ops": ("Host", "Origin", "Sec-Fetch-Site", "Cookie", "Authorization", "Last-Event-ID"),
}
REQUESTS = {
    "write": ("POST /commands/suspend-account", b'{"account": "@nobody1500"}'),
    "read": ("GET /profiles?limit=1", b""),
    "ops": ("POST /parked/profiles/x/retry", b"{}"),
}


@pytest.mark.parametrize(("service", "header"), [(service, name) for service in HEADERS for name in HEADERS[service]])
def test_any_header_is_taken_or_refused(stack, before, service, header):
    """Byte by byte, as no client library would send it."""
    line, body = REQUESTS[service]
    usual = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": str(len(body)), **stack.headers}
    others = "".join(f"{name}: {value}\r\n" for name, value in usual.items() if name != header)

    for value in header_values():
        head = f"{line} HTTP/1.1\r\nConnection: close\r\n{others}{header}: ".encode()
        status, told = exchange(getattr(stack.addresses, service), head + value + b"\r\n\r\n" + body)

        assert status < 500, (value, told)
        assert b"set-cookie" not in told.lower()


def exchange(url: str, request: bytes) -> tuple[int, bytes]:
    """What a server answers before it closes the connection; 0 if it only does that."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=SECONDS) as connection:
        try:
            connection.sendall(request)
            told = b"".join(iter(partial(connection.recv, 65_536), b""))
        except ConnectionError:
            told = b""
    return (int(told.split()[1]), told) if told else (0, b"")


END = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
POST = b"POST /commands" + END
NO_REQUESTS = {
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version of its own": b"GET /livez HTTP/9.9\r\nConnection: close\r\n\r\n",
    "line feeds alone": b"GET /livez HTTP/1.1\nHost: x\nConnection: close\n\n",
    "the address of another server": b"GET http://elsewhere.example/profiles" + END + b"\r\n",
    "a tunnel": b"CONNECT elsewhere.example:443" + END + b"\r\n",
    "no path": b"OPTIONS *" + END + b"\r\n",
    "bytes in the path": b"GET /profiles/by-handle/\xff\xc0\xaf?\xe9" + END + b"\r\n",
    "a path that is none": b"GET //..//%00/%ff\\#?#" + END + b"\r\n",
    "a method of its own": b"MUSTER /profiles" + END + b"\r\n",
    "a long address": b"GET /" + b"a" * 200_000 + END + b"\r\n",
    "a long header": b"GET /livez" + END + b"X: " + b"a" * 2_000_000 + b"\r\n\r\n",
    "many headers": b"GET /livez" + END + b"X: a\r\n" * 5_000 + b"\r\n",
    "a folded header": b"GET /livez" + END + b"X: a\r\n b\r\n\r\n",
    "a header without a colon": b"GET /livez" + END + b"X\r\n\r\n",
    "a NUL in a header": b"GET /livez" + END + b"X: a\0b\r\n\r\n",
    "a length and chunks": POST
    + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
    "more than one chunk can have": POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n",
    "less than nothing": POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    "another protocol from here on": b"GET /livez" + END + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("request_", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_what_is_hardly_a_request_is_answered_once_if_at_all(stack, before, request_):
    """Never as two, of which a proxy in front of us has seen only one."""
    for url in (stack.addresses.write, stack.addresses.read, stack.addresses.ops):
        status, told = exchange(url, request_)

        assert status < 500, told
        assert told.count(b"HTTP/1.1 ") <= 1


END_OF_HEADERS = b"\r\nConnection: close\r\n\r\n"
TWO_MEANINGS = {
    "no host": b"GET /livez HTTP/1.1" + END_OF_HEADERS,
    "two hosts": b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b" + END_OF_HEADERS,
    "a host without a name": b"GET /livez HTTP/1.1\r\nHost:" + END_OF_HEADERS,
    "gzip in chunks": b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked"
    + END_OF_HEADERS
    + b"0\r\n\r\n",
    "two lengths": b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2" + END_OF_HEADERS + b"ab",
}


@pytest.mark.parametrize("request_", TWO_MEANINGS.values(), ids=TWO_MEANINGS)
def test_what_two_servers_may_understand_in_two_ways_is_400(stack, before, request_):
    """A proxy in front of us is the other one."""
    for url in (stack.addresses.write, stack.addresses.read, stack.addresses.ops):
        assert exchange(url, request_)[0] == 400


async def test_all_is_as_it_was(before):
    await before.require()
